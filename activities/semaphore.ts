/** Ring: activities. Slots, given out in the order of asking. */
export class Semaphore {
  readonly size: number
  #free: number
  readonly #waiting: { readonly take: () => void }[] = []

  constructor(size: number) {
    this.size = size
    this.#free = size
  }

  get taken(): number {
    return this.size - this.#free
  }

  /** Waits for a slot; gives what returns it (once). Throws the signal's reason if that comes first. */
  async acquire(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted()
    if (this.#free > 0) {
      this.#free--
    } else {
      await new Promise<void>((resolve, reject) => {
        const waiter = { take: (): void => {
          signal?.removeEventListener('abort', abort)
          resolve()
        } }
        const abort = (): void => {
          this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
          reject(signal!.reason as Error)
        }
        signal?.addEventListener('abort', abort, { once: true })
        this.#waiting.push(waiter)
      })
    }
    let returned = false
    return () => {
      if (returned) return
      returned = true
      const next = this.#waiting.shift()
      if (next) next.take()
      else this.#free++
    }
  }
}
