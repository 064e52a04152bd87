/** Ring: eval. Functions where a value is wanted: they get `--arg`s and defaults. Upstream: EvalState::autoCallFunction, attr-path.cc. */
import { EvaluationError } from './errors.ts'
import { call1 } from './call.ts'
import { NO_SITE } from './site.ts'
import { bestMatches } from './suggestions.ts'
import { force } from './thunk.ts'
import { isList, showType } from './types.ts'
import { attributesOf } from '../values/make.ts'
import { Attributes, Lambda, type Slot, type Value } from '../values/value.ts'

/** The value, or what it gives when it is a function with named arguments that all have values. */
export function autoCall(args: ReadonlyMap<string, Slot>, slot: Slot): Value {
  const value = force(slot)
  if (value instanceof Attributes) {
    const functor = value.get('__functor')
    return functor === undefined ? value : autoCall(args, call1(force(functor), value, NO_SITE))
  }
  if (!(value instanceof Lambda) || value.code.parameter.kind !== 'pattern') return value
  const { formals, ellipsis } = value.code.parameter
  const given = new Map<string, Slot>(ellipsis ? args : [])
  for (const formal of formals) {
    const argument = args.get(formal.name)
    if (argument !== undefined) given.set(formal.name, argument)
    else if (formal.fallback === undefined) {
      throw new EvaluationError('missing-argument', `cannot evaluate a function that has an argument without a value ('${formal.name}')
Nix attempted to evaluate a function as a top level expression; in
this case it must have its arguments supplied either by default
values, or passed explicitly with '--arg' or '--argstr'. See
https://nixos.org/manual/nix/stable/language/constructs.html#functions.`, { location: formal.location })
    }
  }
  return call1(value, attributesOf(given), NO_SITE)
}

/** `a."b.c".0` into its parts. */
export function parseAttributePath(text: string): string[] {
  const parts: string[] = []
  let current = ''
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!
    if (char === '.') {
      parts.push(current)
      current = ''
    } else if (char === '"') {
      const end = text.indexOf('"', i + 1)
      if (end < 0) throw new EvaluationError('parse', `missing closing quote in selection path '${text}'`)
      current += text.slice(i + 1, end)
      i = end
    } else {
      current += char
    }
  }
  if (current !== '') parts.push(current)
  return parts
}

/** As users write a path: names with dots in quotes. */
export function showAttributePath(path: readonly string[]): string {
  return path.map((name) => (name.includes('.') ? `"${name}"` : name)).join('.')
}

/** Follows a path as `-A` does: functions on the way are called, numbers index lists. */
export function selectPath(args: ReadonlyMap<string, Slot>, root: Slot, text: string): Slot {
  let slot = root
  for (const part of parseAttributePath(text)) {
    const value = autoCall(args, slot)
    const index = /^\d+$/.test(part) ? Number(part) : undefined
    if (index === undefined) {
      if (!(value instanceof Attributes)) throw new EvaluationError('type', `the expression selected by the selection path '${text}' should be a set but is ${showType(value)}`)
      if (part === '') throw new EvaluationError('eval', `empty attribute name in selection path '${text}'`)
      const found = value.get(part)
      if (found === undefined) throw new EvaluationError('missing-attribute', `attribute '${part}' in selection path '${text}' not found`, { suggestions: bestMatches(value.layout.names, part) })
      slot = found
    } else {
      if (!isList(value)) throw new EvaluationError('type', `the expression selected by the selection path '${text}' should be a list but is ${showType(value)}`)
      if (index >= value.length) throw new EvaluationError('missing-attribute', `list index ${index} in selection path '${text}' is out of range`)
      slot = value[index]!
    }
  }
  return slot
}

