/** Ring: eval. Strings, versions, hashes of strings. */
import { formatHash, hashBytes, parseHash, type HashAlgorithm } from '../../nix/hash.ts'
import { compareVersions, parseDrvName, splitVersion } from '../../nix/version.ts'
import { callSite } from '../runtime/call.ts'
import { coerceToString } from '../runtime/coerce.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { forceAttributes, forceInt, forceList, forcePlainString, forceString, requireAttribute } from '../runtime/expect.ts'
import type { Host } from '../runtime/host.ts'
import type { Site } from '../runtime/site.ts'
import { speculate } from '../runtime/speculate.ts'
import { force } from '../runtime/thunk.ts'
import { ContextBuilder } from '../values/context.ts'
import { layoutOfSorted } from '../values/layout.ts'
import { Attributes, ContextString, stringValue, type Slot, type Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'

function toStringBuiltin(host: Host, slot: Slot): Value {
  const context = new ContextBuilder()
  const text = coerceToString(host, slot, context, { more: true, copy: false, doing: 'while evaluating the first argument passed to builtins.toString' }, callSite())
  return stringValue(text, context.build())
}

function substring(host: Host, start: Slot, length: Slot, slot: Slot): Value {
  const site = callSite()
  const from = forceInt(start, 'while evaluating the first argument (the start offset) passed to builtins.substring', site)
  if (from < 0) throw new EvaluationError('eval', 'negative start position in \'substring\'', { location: site })
  const count = forceInt(length, 'while evaluating the second argument (the substring length) passed to builtins.substring', site)
  const value = force(slot)
  const end = count < 0 ? Infinity : Number(from) + Number(count)
  if (typeof value === 'string') return value.slice(Number(from), end)
  if (value instanceof ContextString) return new ContextString(value.text.slice(Number(from), end), value.context)
  const context = new ContextBuilder()
  const text = coerceToString(host, value, context, { more: false, copy: true, doing: 'while evaluating the third argument (the string) passed to builtins.substring' }, site)
  return stringValue(text.slice(Number(from), end), context.build())
}

function stringLength(host: Host, slot: Slot): Value {
  const value = force(slot)
  if (typeof value === 'string') return value.length
  return coerceToString(host, value, new ContextBuilder(), { more: false, copy: true, doing: 'while evaluating the argument passed to builtins.stringLength' }, callSite()).length
}

function concatStringsSep(host: Host, separator: Slot, list: Slot): Value {
  const site = callSite()
  const context = new ContextBuilder()
  const between = forceString(separator, 'while evaluating the first argument (the separator string) passed to builtins.concatStringsSep', site, context)
  const elements = forceList(list, 'while evaluating the second argument (the list of strings to concat) passed to builtins.concatStringsSep', site)
  const parts: string[] = []
  const coercion = { more: false, copy: true, doing: 'while evaluating one element of the list of strings to concat passed to builtins.concatStringsSep' }
  speculate(elements.length, (i) => {
    parts.push(coerceToString(host, elements[i]!, context, coercion, site))
  })
  return stringValue(parts.join(between), context.build())
}

function replaceStrings(fromSlot: Slot, toSlot: Slot, slot: Slot): Value {
  const site = callSite()
  const fromList = forceList(fromSlot, 'while evaluating the first argument passed to builtins.replaceStrings', site)
  const toList = forceList(toSlot, 'while evaluating the second argument passed to builtins.replaceStrings', site)
  if (fromList.length !== toList.length) throw new EvaluationError('eval', '\'from\' and \'to\' arguments passed to builtins.replaceStrings have different lengths', { location: site })
  const from: string[] = []
  speculate(fromList.length, (i) => {
    from.push(forceString(fromList[i]!, 'while evaluating one of the strings to replace passed to builtins.replaceStrings', site))
  })
  const context = new ContextBuilder()
  const text = forceString(slot, 'while evaluating the third argument passed to builtins.replaceStrings', site, context)
  // mostly what is to be escaped isn't there
  if (from.every((pattern) => pattern !== '' && !text.includes(pattern))) return stringValue(text, context.build())
  const to = new Array<string | undefined>(from.length)
  const replacement = (i: number): string => (to[i] ??= forceString(toList[i]!, 'while evaluating one of the replacement strings passed to builtins.replaceStrings', site, context))

  // Candidates by their first byte, in the order given; an empty one matches everywhere.
  const byFirst = new Map<number, number[]>()
  const empties: number[] = []
  from.forEach((pattern, i) => {
    if (pattern === '') {
      empties.push(i)
      return
    }
    const first = pattern.charCodeAt(0)
    const known = byFirst.get(first)
    if (known === undefined) byFirst.set(first, [i])
    else known.push(i)
  })
  const empty = empties[0] ?? Infinity
  let result = ''
  let copied = 0
  for (let at = 0; at <= text.length;) {
    const candidates = at < text.length ? byFirst.get(text.charCodeAt(at)) : undefined
    let found = -1
    if (candidates !== undefined) {
      for (const i of candidates) {
        if (i > empty) break
        if (text.startsWith(from[i]!, at)) {
          found = i
          break
        }
      }
    }
    if (found < 0 && empty !== Infinity) found = empty
    if (found < 0) {
      at++
      continue
    }
    result += text.slice(copied, at) + replacement(found)
    if (from[found] === '') {
      result += text.slice(at, at + 1)
      at++
    } else {
      at += from[found]!.length
    }
    copied = at
  }
  result += text.slice(copied)
  return stringValue(result, context.build())
}

const NAME_VERSION = layoutOfSorted(['name', 'version'])

const ALGORITHMS: ReadonlySet<string> = new Set(['md5', 'sha1', 'sha256', 'sha512'])

/** Checks the name of a hash algorithm. */
export function hashAlgorithm(name: string, site: Site): HashAlgorithm {
  if (ALGORITHMS.has(name)) return name as HashAlgorithm
  throw new EvaluationError('eval', `unknown hash algorithm '${name}', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'`, { location: site })
}

function hashString(algorithm: Slot, slot: Slot): Value {
  const site = callSite()
  const name = hashAlgorithm(forcePlainString(algorithm, 'while evaluating the first argument passed to builtins.hashString', site), site)
  const text = forceString(slot, 'while evaluating the second argument passed to builtins.hashString', site)
  return formatHash(hashBytes(name, text), 'base16')
}

function convertHash(argument: Slot): Value {
  const site = callSite()
  const attributes = forceAttributes(argument, 'while evaluating the first argument passed to builtins.convertHash', site)
  const text = forcePlainString(requireAttribute(attributes, 'hash', 'while locating the attribute \'hash\''), 'while evaluating the attribute \'hash\'', site)
  const algorithmSlot = attributes.get('hashAlgo')
  const algorithm = algorithmSlot === undefined ? undefined : hashAlgorithm(forcePlainString(algorithmSlot, 'while evaluating the attribute \'hashAlgo\'', site), site)
  const format = forcePlainString(requireAttribute(attributes, 'toHashFormat', 'while locating the attribute \'toHashFormat\''), 'while evaluating the attribute \'toHashFormat\'', site)
  const formats = { base16: 'base16', nix32: 'nix32', base32: 'nix32', base64: 'base64', sri: 'sri' } as const
  if (!Object.hasOwn(formats, format)) throw new EvaluationError('eval', `unknown hash format '${format}', expect 'base16', 'base32', 'base64', or 'sri'`)
  try {
    return formatHash(parseHash(text, algorithm), formats[format as keyof typeof formats])
  } catch (error) {
    throw new EvaluationError('eval', error instanceof Error ? error.message : String(error), { cause: error })
  }
}

export const strings: BuiltinFamily = (evaluator) => [
  builtin('toString', 1, (a) => toStringBuiltin(evaluator, a)),
  builtin('__substring', 3, (start, length, text) => substring(evaluator, start, length, text)),
  builtin('__stringLength', 1, (a) => stringLength(evaluator, a)),
  builtin('__concatStringsSep', 2, (separator, list) => concatStringsSep(evaluator, separator, list)),
  builtin('__replaceStrings', 3, replaceStrings),
  builtin('__hashString', 2, hashString),
  builtin('__convertHash', 1, convertHash),
  builtin('__parseDrvName', 1, (a) => {
    const { name, version } = parseDrvName(forcePlainString(a, 'while evaluating the first argument passed to builtins.parseDrvName', callSite()))
    return new Attributes(NAME_VERSION, [name, version])
  }),
  builtin('__compareVersions', 2, (a, b) => {
    const site = callSite()
    const first = forcePlainString(a, 'while evaluating the first argument passed to builtins.compareVersions', site)
    return compareVersions(first, forcePlainString(b, 'while evaluating the second argument passed to builtins.compareVersions', site))
  }),
  builtin('__splitVersion', 1, (a) => [...splitVersion(forcePlainString(a, 'while evaluating the first argument passed to builtins.splitVersion', callSite()))]),
]
