/** The signature profile, held against the examples of its RFCs and against every one-byte change. */
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { decodeBase64, encodeBase64, encodeBase64Url } from '../src/base64.ts'
import {
  contentDigest,
  readRequestClaim,
  readResponseClaim,
  readSignature,
  signRequest,
  signResponse,
  signatureBase,
  type RequestHead,
} from '../src/signatures.ts'
import { hash, newSigner, random, verifySignature } from './harness.ts'

const signer = newSigner()
const head: RequestHead = {
  method: 'POST',
  path: '/sync/v1',
  query: '',
  contentDigest: contentDigest(hash, Uint8Array.of(1, 2, 3)),
  contentType: 'application/x-lattice-frame',
  dest: newSigner().nodeId,
}
const stamp = { createdS: 1_800_000_000, nonce: encodeBase64Url(random.bytes(16)) }

describe('RFC 9421', () => {
  it('appendix B.2.6: the signature base of the Ed25519 example verifies with its key and signature', () => {
    const base = signatureBase(
      [
        ['"date"', 'Tue, 20 Apr 2021 02:07:55 GMT'],
        ['"@method"', 'POST'],
        ['"@path"', '/foo'],
        ['"@authority"', 'example.com'],
        ['"content-type"', 'application/json'],
        ['"content-length"', '18'],
      ],
      '("date" "@method" "@path" "@authority" "content-type" "content-length")' +
        ';created=1618884473;keyid="test-key-ed25519"',
    )
    const signature =
      'wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=='
    const publicKey = createPublicKey({
      key: Buffer.from('MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=', 'base64'),
      format: 'der',
      type: 'spki',
    })
    const privateKey = createPrivateKey({
      key: Buffer.from('MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF', 'base64'),
      format: 'der',
      type: 'pkcs8',
    })
    expect(verify(null, Buffer.from(base), publicKey, Buffer.from(signature, 'base64'))).toBe(true)
    expect(encodeBase64(sign(null, Buffer.from(base), privateKey))).toBe(signature)
  })

  it('an empty query is covered as "?"', () => {
    const claim = readRequestClaim(head, signRequest(signer, head, stamp))
    expect(new TextDecoder().decode(claim?.message)).toContain('\n"@query": ?\n')
  })
})

describe('RFC 9530', () => {
  it.each([
    ['{"hello": "world"}', 'sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:'],
    ['{"hello": "world"}\n', 'sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:'],
    ['', 'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:'],
  ])('the digest of %j', (body, digest) => {
    expect(contentDigest(hash, new TextEncoder().encode(body))).toBe(digest)
  })
})

describe('base64', () => {
  it('agrees with the platform, and reads nothing but its own form', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
        expect(encodeBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'))
        expect(encodeBase64Url(bytes)).toBe(Buffer.from(bytes).toString('base64url'))
        expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes)
      }),
    )
    for (const text of ['AB==', 'AA=', 'A A=', 'AA==\n', 'AA-_', '===='])
      expect(decodeBase64(text)).toBeUndefined()
  })
})

describe('requests', () => {
  const proof = signRequest(signer, head, stamp)

  it('say who signed, when and with which nonce', () => {
    const claim = readRequestClaim(head, proof)
    expect(claim).toMatchObject({ nodeId: signer.nodeId, ...stamp, expiresS: stamp.createdS + 60 })
    expect(claim && verifySignature(claim.nodeId, claim.message, claim.signature)).toBe(true)
  })

  it('cover every part: any change of one character anywhere is refused', () => {
    const parts = { ...head, ...proof }
    const names = Object.keys(parts) as Array<keyof typeof parts>
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.nat(),
        fc.integer({ min: 33, max: 126 }),
        (name, at, code) => {
          const text = parts[name]
          const place = text.length === 0 ? 0 : at % text.length
          const changed = text.slice(0, place) + String.fromCharCode(code) + text.slice(place + 1)
          fc.pre(changed !== text && !(name === 'query' && changed === '?'))
          const edited = { ...parts, [name]: changed }
          const claim = readRequestClaim(edited, edited)
          const good = claim !== undefined && verifySignature(claim.nodeId, claim.message, claim.signature)
          expect(good && claim.nodeId === signer.nodeId).toBe(false)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it.each([
    ['another label', /^s=/, 'sig1='],
    ['fewer components', ' "x-node-dest"', ''],
    ['another order', '"@method" "@path"', '"@path" "@method"'],
    ['another algorithm', 'alg="ed25519"', 'alg="hmac-sha256"'],
    ['another protocol', 'tag="lattice/1"', 'tag="lattice/2"'],
    ['no nonce', /;nonce="[^"]*"/, ''],
    ['no end of life', /;expires=[0-9]+/, ''],
    ['a second signature', /$/, ', t=("@method")'],
    ['an unknown parameter', /$/, ';x=1'],
  ])('with %s are not of the profile', (_, from, to) => {
    const input = proof['signature-input'].replace(from, to)
    expect(input).not.toBe(proof['signature-input'])
    expect(readRequestClaim(head, { ...proof, 'signature-input': input })).toBeUndefined()
  })

  it('without either header are not of the profile', () => {
    expect(readRequestClaim(head, { signature: proof.signature })).toBeUndefined()
    expect(readRequestClaim(head, { 'signature-input': proof['signature-input'] })).toBeUndefined()
    expect(readSignature('s=:AAAA:')).toBeUndefined()
    expect(readSignature(undefined)).toBeUndefined()
  })
})

describe('answers', () => {
  const request = signRequest(signer, head, stamp).signature
  const answer = { status: 200, contentDigest: head.contentDigest, requestSignature: request }
  const proof = signResponse(signer, answer)
  const holds = (seen: typeof answer): boolean => {
    const claim = readResponseClaim(seen, proof)
    return claim !== undefined && verifySignature(claim.nodeId, claim.message, claim.signature)
  }

  it('are bound to status, digest and the one request they answer', () => {
    const other = signRequest(signer, head, { ...stamp, nonce: encodeBase64Url(random.bytes(16)) }).signature
    expect(holds(answer)).toBe(true)
    expect(holds({ ...answer, status: 204 })).toBe(false)
    expect(holds({ ...answer, contentDigest: contentDigest(hash, new Uint8Array()) })).toBe(false)
    expect(holds({ ...answer, requestSignature: other })).toBe(false)
  })

  it('and requests cannot stand in for each other', () => {
    expect(readResponseClaim(answer, signRequest(signer, head, stamp))).toBeUndefined()
    expect(readRequestClaim(head, proof)).toBeUndefined()
  })
})
