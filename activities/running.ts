/**
 * Ring: activities. What this worker is doing, by the name under which it can be stopped: a node's key, or `evaluation:<id>`.
 * A cancellation reaches a worker by NOTIFY at once; Temporal would tell it at the next heartbeat, seconds later.
 */
import { FirnError } from '../contract/errors.ts'

export class RunningThings {
  readonly #controllers = new Map<string, Set<AbortController>>()

  /** A signal that stops the thing: by name, by one of the signals given. Call `done` when it has ended. */
  begin(name: string, ...signals: readonly AbortSignal[]): { readonly signal: AbortSignal; done(): void } {
    const controller = new AbortController()
    const same = this.#controllers.get(name) ?? new Set()
    this.#controllers.set(name, same.add(controller))
    return {
      signal: AbortSignal.any([controller.signal, ...signals]),
      done: () => {
        same.delete(controller)
        if (same.size === 0 && this.#controllers.get(name) === same) this.#controllers.delete(name)
      },
    }
  }

  stop(name: string, reason = 'nobody wants it any more'): void {
    for (const controller of this.#controllers.get(name) ?? []) controller.abort(new FirnError('cancelled', reason))
  }

  names(): string[] {
    return [...this.#controllers.keys()]
  }
}
