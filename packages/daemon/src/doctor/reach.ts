/** Whether the other nodes are reached from this machine, step by step as `lattice netcheck` has it. */
import { createVerifier } from '../host/crypto.ts'
import { tryWays } from '../netcheck/index.ts'
import { fail, pass, skip, warn, type Check, type Diagnosis, type Patient } from './diagnosis.ts'

/** A doctor's visit is no place to wait long. */
const stepMsMax = 5_000

/** Checks of the ways to the others; skipped offline. */
export const reachChecks: readonly Check[] = [
  { name: 'reach-http', look: patient => reach(patient, patient.loaded.lookup('NODES') ?? [], []) },
  {
    name: 'reach-p2p',
    look: patient => {
      const enabled = patient.loaded.lookup('P2P_ENABLED') === true
      const addresses = enabled ? (patient.loaded.lookup('P2P_BOOTSTRAP') ?? []) : []
      return reach(
        patient,
        [],
        addresses.map(each => each.address),
      )
    },
  },
]

async function reach(
  { loaded, online }: Patient,
  urls: readonly string[],
  addresses: readonly string[],
): Promise<Diagnosis> {
  if (urls.length + addresses.length === 0) return skip('none is configured')
  if (!online) return skip('offline')
  const trusted = new Set(loaded.lookup('TRUSTED_KEYS') ?? [])
  const ways = await tryWays({ urls, addresses, trusted, verifier: createVerifier(), stepMsMax })
  const bad = ways.filter(way => way.outcome !== 'ok')
  if (bad.length === 0) return pass(`${ways.map(way => way.target).join(', ')}`)
  const causes = bad.map(({ target, steps }) => {
    const step =
      steps.find(each => each.outcome === 'failed') ?? steps.find(each => each.outcome === 'warning')
    return `${target}: ${step?.name ?? ''}: ${step?.text ?? ''}`
  })
  const failed = bad.some(way => way.outcome === 'failed')
  return (failed ? fail : warn)(`${bad.length} of ${ways.length}`, causes.join('; '), 'lattice netcheck')
}
