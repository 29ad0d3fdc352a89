/** The checks of `lattice doctor`: each looks, none changes anything. */
import { daemonChecks } from './daemon.ts'
import { fail, type Check, type Diagnosis, type Patient } from './diagnosis.ts'
import { directoryChecks } from './directory.ts'
import { machineChecks } from './machine.ts'
import { reachChecks } from './reach.ts'
import { settingChecks } from './settings.ts'

export type { Diagnosis, Patient, Verdict } from './diagnosis.ts'

/** All checks, in the order they are told. */
export const doctorChecks: readonly Check[] = [
  ...machineChecks,
  ...settingChecks,
  ...directoryChecks,
  ...daemonChecks,
  ...reachChecks,
]

/** What each check found. A check that breaks is a finding, too. */
export async function examine(
  patient: Patient,
): Promise<ReadonlyArray<Diagnosis & { readonly name: string }>> {
  return Promise.all(
    doctorChecks.map(async check => {
      const { name } = check
      try {
        return { name, ...(await check.look(patient)) }
      } catch (error) {
        const cause = Error.isError(error) ? error.message : String(error)
        return { name, ...fail('this could not be looked at', cause, 'lattice status') }
      }
    }),
  )
}
