/**
 * Ring: activities. Tells who in this process waits for nodes that one has ended: at once where it ended here, else as soon as Postgres
 * notifies. A notification may be lost (the connection broke); who waits looks for itself every now and then.
 */
import type { NodeKey, NodeOutcome } from '../contract/nodes.ts'
import type { FarmDatabase } from '../state/database.ts'

/** Called with what became of the node where that is known here. */
export type OnEnded = (key: NodeKey, outcome?: NodeOutcome) => void

export class OutcomeHub {
  readonly #waiting = new Map<NodeKey, Set<OnEnded>>()
  #stop: (() => Promise<void>) | undefined

  async start(database: FarmDatabase): Promise<void> {
    this.#stop = await database.listen('firn_node', (key) => {
      // '' comes after a broken connection: anything may have ended
      const keys = key === '' ? [...this.#waiting.keys()] : [key]
      for (const one of keys) this.tell(one)
    })
  }

  /** The node's outcome is committed, by this process or another. */
  tell(key: NodeKey, outcome?: NodeOutcome): void {
    for (const callback of [...this.#waiting.get(key) ?? []]) callback(key, outcome)
  }

  /** Calls back each time the node has ended, until the returned function is called. */
  watch(key: NodeKey, callback: OnEnded): () => void {
    const callbacks = this.#waiting.get(key) ?? new Set()
    this.#waiting.set(key, callbacks.add(callback))
    return () => {
      callbacks.delete(callback)
      if (callbacks.size === 0 && this.#waiting.get(key) === callbacks) this.#waiting.delete(key)
    }
  }

  async close(): Promise<void> {
    await this.#stop?.()
  }
}
