/** Ring: api. Look-ups that come at the same time become one query: a Nix client asks for hundreds of narinfos at once. */

/** A function that looks up one key, made of one that looks up many. Keys asked for in the same turn go together; equal ones once. */
export function batched<Value>(lookUp: (keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>, limit = 500): (key: string) => Promise<Value | undefined> {
  let waiting = new Map<string, PromiseWithResolvers<Value | undefined>>()

  const flush = (): void => {
    const batch = waiting
    waiting = new Map()
    const keys = [...batch.keys()]
    for (let start = 0; start < keys.length; start += limit) {
      const part = keys.slice(start, start + limit)
      lookUp(part).then(
        (found) => { for (const key of part) batch.get(key)!.resolve(found.get(key)) },
        (error: unknown) => { for (const key of part) batch.get(key)!.reject(error) },
      )
    }
  }
  return (key) => {
    const known = waiting.get(key)
    if (known) return known.promise
    if (waiting.size === 0) setImmediate(flush)
    const answer = Promise.withResolvers<Value | undefined>()
    waiting.set(key, answer)
    return answer.promise
  }
}
