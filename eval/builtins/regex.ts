/** Ring: eval. `match` and `split`. */
import { callSite } from '../runtime/call.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { forcePlainString, forceString } from '../runtime/expect.ts'
import type { Site } from '../runtime/site.ts'
import { compileRegex, RegexError, type PosixRegex } from '../text/regex.ts'
import type { Slot, Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'

/** Dropped as a whole when it is full: programs with that many distinct expressions make them up. */
const LIMIT = 2000
const compiled = new Map<string, PosixRegex>()

function regexOf(pattern: string, site: Site): PosixRegex {
  const known = compiled.get(pattern)
  if (known !== undefined) return known
  const regex = guarded(pattern, site, () => compileRegex(pattern))
  if (compiled.size >= LIMIT) compiled.clear()
  compiled.set(pattern, regex)
  return regex
}

function guarded<T>(pattern: string, site: Site, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof RegexError)) throw error
    const message = error.reason === 'space' ? `memory limit exceeded by regular expression '${pattern}'` : `invalid regular expression '${pattern}'`
    throw new EvaluationError('eval', message, { location: site, cause: error })
  }
}

function groupsOf(groups: readonly (string | undefined)[]): Value {
  return groups.map((group) => group ?? null)
}

function match(patternSlot: Slot, textSlot: Slot): Value {
  const site = callSite()
  const pattern = forcePlainString(patternSlot, 'while evaluating the first argument passed to builtins.match', site)
  const regex = regexOf(pattern, site)
  const text = forceString(textSlot, 'while evaluating the second argument passed to builtins.match', site)
  const groups = guarded(pattern, site, () => regex.match(text))
  return groups === undefined ? null : groupsOf(groups)
}

function split(patternSlot: Slot, textSlot: Slot): Value {
  const site = callSite()
  const pattern = forcePlainString(patternSlot, 'while evaluating the first argument passed to builtins.split', site)
  const regex = regexOf(pattern, site)
  const text = forceString(textSlot, 'while evaluating the second argument passed to builtins.split', site)
  const result: Value[] = []
  let from = 0
  guarded(pattern, site, () => {
    for (const found of regex.matches(text)) {
      result.push(text.slice(from, found.start), groupsOf(found.groups))
      from = found.end
    }
  })
  if (result.length === 0) return [textSlot]
  result.push(text.slice(from))
  return result
}

export const regex: BuiltinFamily = () => [builtin('__match', 2, match), builtin('__split', 2, split)]
