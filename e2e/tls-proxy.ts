/**
 * A TLS reverse proxy as operators run it: nginx in front of one HTTP port, with a certificate of a test CA.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import { eventually } from './eventually.ts'
import { freePort } from './ports.ts'

const run = promisify(execFile)

/** Debian keeps it outside the PATH of ordinary users. */
const nginx = ['/usr/sbin/nginx', '/usr/bin/nginx', '/usr/local/sbin/nginx'].find(existsSync) ?? 'nginx'

/** A certificate with its key, as files. */
export interface Certificate {
  readonly certFile: string
  readonly keyFile: string
}

/** Signs certificates that only those trust who are given its own. */
export interface TestCa {
  /** What goes into NODE_EXTRA_CA_CERTS. */
  readonly certFile: string
  /** A certificate for a host name. `days` may be 0: expired from the start. */
  issue(hostName: string, days?: number): Promise<Certificate>
}

/** Makes a certificate authority below `directory`. */
export async function createCa(directory: string): Promise<TestCa> {
  const home = join(directory, 'ca')
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const file = (name: string): string => join(home, name)
  const openssl = (...args: readonly string[]): Promise<unknown> => run('openssl', [...args], { cwd: home })
  const ecKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const subject = ['-subj', '/CN=Lattice test CA']
  await openssl('req', '-x509', ...ecKey, ...subject, '-days', '2', '-keyout', 'ca.key', '-out', 'ca.pem')
  let issued = 0
  return {
    certFile: file('ca.pem'),
    issue: async (hostName, days = 1) => {
      const name = `cert${++issued}`
      const names = ['-subj', `/CN=${hostName}`, '-addext', `subjectAltName=DNS:${hostName}`]
      await openssl('req', ...ecKey, ...names, '-keyout', `${name}.key`, '-out', `${name}.csr`)
      const signer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-copy_extensions', 'copy']
      const term = ['-days', String(days)]
      await openssl('x509', '-req', '-in', `${name}.csr`, ...signer, ...term, '-out', `${name}.pem`)
      return { certFile: file(`${name}.pem`), keyFile: file(`${name}.key`) }
    },
  }
}

/** A running proxy. */
export interface TlsProxy {
  readonly port: number
  /** `https://localhost:<port>`. */
  readonly url: string
  stop(): Promise<void>
}

/** Starts nginx on a free port of 127.0.0.1; every request goes to `upstream` (host:port), upgrades too. */
export async function startTlsProxy(
  directory: string,
  upstream: string,
  certificate: Certificate,
): Promise<TlsProxy> {
  const port = await freePort()
  const home = join(directory, `nginx-${port}`)
  mkdirSync(home, { recursive: true, mode: 0o700 })
  writeFileSync(join(home, 'nginx.conf'), configuration(home, port, upstream, certificate))
  // The shell stops nginx when its standard input closes, hence also when this process dies without a word.
  const script = '"$0" "$@" </dev/null & cat >/dev/null; kill $!; wait $!'
  const args = ['-p', home, '-c', join(home, 'nginx.conf'), '-e', join(home, 'error.log')]
  const shell = spawn('sh', ['-c', script, nginx, ...args], { stdio: ['pipe', 'ignore', 'ignore'] })
  const gone = once(shell, 'exit')
  const stop = async (): Promise<void> => {
    shell.stdin.end()
    await gone
  }
  try {
    await eventually('nginx takes TLS connections', () => handshake(port), 10_000)
  } catch (error) {
    await stop()
    throw new Error(`nginx did not start: ${readFileSync(join(home, 'error.log'), 'utf8')}`, { cause: error })
  }
  return { port, url: `https://localhost:${port}`, stop }
}

function configuration(home: string, port: number, upstream: string, certificate: Certificate): string {
  const scratch = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    name => `  ${name}_temp_path ${join(home, name)};`,
  )
  return `daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes 1;
pid ${join(home, 'nginx.pid')};
events { worker_connections 256; }
http {
  access_log off;
${scratch.join('\n')}
${documented(port, upstream, certificate)}
}
`
}

/** The server of docs/deploy/server.md, with the ports and files of the test. */
function documented(port: number, upstream: string, { certFile, keyFile }: Certificate): string {
  const page = readFileSync(new URL('../docs/deploy/server.md', import.meta.url), 'utf8')
  const block = /^```nginx\n([\s\S]*?)^```$/m.exec(page)?.[1]
  if (block === undefined) throw new Error('docs/deploy/server.md has no nginx block')
  const replaced = [
    ['listen 443 ssl;', `listen 127.0.0.1:${port} ssl;`],
    ['server_name api.example.org;', 'server_name localhost;'],
    [/ssl_certificate .*;/, `ssl_certificate ${certFile};`],
    [/ssl_certificate_key .*;/, `ssl_certificate_key ${keyFile};`],
    ['proxy_pass http://127.0.0.1:8000;', `proxy_pass http://${upstream};`],
  ] as const
  return replaced.reduce((text, [from, to]) => text.replace(from, to), block)
}

async function handshake(port: number): Promise<true> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false })
  try {
    await once(socket, 'secureConnect')
    return true
  } finally {
    socket.destroy()
  }
}
