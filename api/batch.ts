/** Ring: api. Look-ups that come at the same time become few queries: a Nix client asks for hundreds of narinfos at once. */

/** Queries under way at the same time; what comes meanwhile goes with the next one. */
const IN_FLIGHT = 2
/** Keys of one query. */
const LIMIT = 1000

/**
 * A function that looks up one key, made of one that looks up many. Alone it is asked at once; under load, all keys that came while
 * others were looked up go together. Equal keys are looked up once.
 */
export function batched<Value>(lookUp: (keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>): (key: string) => Promise<Value | undefined> {
  const waiting = new Map<string, PromiseWithResolvers<Value | undefined>>()
  let inFlight = 0

  const flush = (): void => {
    if (inFlight >= IN_FLIGHT || waiting.size === 0) return
    const keys = [...waiting.keys()].slice(0, LIMIT)
    const answers = keys.map((key) => {
      const answer = waiting.get(key)!
      waiting.delete(key)
      return answer
    })
    inFlight++
    lookUp(keys).then(
      (found) => { for (const [index, key] of keys.entries()) answers[index]!.resolve(found.get(key)) },
      (error: unknown) => { for (const answer of answers) answer.reject(error) },
    ).finally(() => {
      inFlight--
      flush()
    }).catch(() => undefined)
  }
  return (key) => {
    const known = waiting.get(key)
    if (known) return known.promise
    const answer = Promise.withResolvers<Value | undefined>()
    waiting.set(key, answer)
    flush()
    return answer.promise
  }
}
