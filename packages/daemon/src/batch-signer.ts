/** Performs the engine's `sign`: in threads where the signer has any, else here and at once. */
import type { Effect, Event, Signer } from '@lattice/core'
import { sentence } from './failure.ts'
import type { RuntimeParts } from './runtime-parts.ts'

type Job = Effect & { type: 'sign' }
type Signatures = readonly Uint8Array[]

/** Signs batches, always: what a thread fails to sign is signed here. */
export class BatchSigner {
  readonly #signer: Signer
  readonly #log: RuntimeParts['log']
  #underWay: Promise<unknown> = Promise.resolve()

  constructor({ signer, log }: Pick<RuntimeParts, 'signer' | 'log'>) {
    this.#signer = signer
    this.#log = log
  }

  /** Answers an effect; before it returns where there are no threads. */
  async sign({ id, messages }: Job, tell: (event: Event) => void): Promise<void> {
    const elsewhere = this.#signer.signMany?.(messages)
    if (elsewhere === undefined) return tell({ type: 'signed', id, signatures: this.#signHere(messages) })
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#underWay = Promise.all([this.#underWay, promise])
    try {
      const signatures = await elsewhere.catch((error: unknown) => this.#instead(messages, error))
      tell({ type: 'signed', id, signatures })
    } finally {
      resolve()
    }
  }

  /** Resolves when all that has been handed in is signed. */
  async settled(): Promise<void> {
    await this.#underWay
  }

  #instead(messages: readonly Uint8Array[], error: unknown): Signatures {
    const reason = sentence(error)
    this.#log('error', 'entries are signed in the main thread, because another failed to', { reason })
    return this.#signHere(messages)
  }

  #signHere(messages: readonly Uint8Array[]): Signatures {
    return messages.map(message => this.#signer.sign(message))
  }
}
