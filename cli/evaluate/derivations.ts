/** Derivations in a value, as `nix-instantiate` finds them. Upstream counterpart: src/libexpr/get-drvs.cc. */
import type { Evaluator } from '../../eval/evaluator.ts'
import { autoCall } from '../../eval/runtime/auto-call.ts'
import { coerceToString } from '../../eval/runtime/coerce.ts'
import { isDerivation } from '../../eval/runtime/equality.ts'
import { EvaluationError } from '../../eval/runtime/errors.ts'
import { forceBoolean } from '../../eval/runtime/expect.ts'
import { NO_SITE } from '../../eval/runtime/site.ts'
import { force } from '../../eval/runtime/thunk.ts'
import { isList } from '../../eval/runtime/types.ts'
import { ContextBuilder } from '../../eval/values/context.ts'
import { Attributes, type Slot } from '../../eval/values/value.ts'

export interface FoundDerivation {
  /** Byte strings. */
  readonly drvPath: string
  readonly outputName: string
}

/** Attributes with other names are passed over. */
const ATTRIBUTE_NAME = /^[A-Za-z_][A-Za-z0-9_+-]*$/

export function findDerivations(evaluator: Evaluator, args: ReadonlyMap<string, Slot>, root: Slot): FoundDerivation[] {
  const found: Attributes[] = []
  const seen = new Set<Attributes>()
  /** Whether the value is something else that may hold derivations. */
  const isOther = (slot: Slot): boolean => {
    const value = force(slot)
    if (!isDerivation(value)) return true
    if (!seen.has(value)) {
      seen.add(value)
      textOf(evaluator, value, 'name', 'derivation name missing')
      found.push(value)
    }
    return false
  }
  const collect = (slot: Slot): void => {
    const value = autoCall(args, slot)
    if (!isOther(value)) return
    if (value instanceof Attributes) {
      value.layout.names.forEach((name, index) => {
        const member = value.values[index]!
        if (!ATTRIBUTE_NAME.test(name) || !isOther(member)) return
        const inner = force(member)
        const recurse = inner instanceof Attributes ? inner.get('recurseForDerivations') : undefined
        if (recurse !== undefined && forceBoolean(recurse, 'while evaluating the attribute `recurseForDerivations`', NO_SITE)) collect(inner)
      })
    } else if (isList(value)) {
      for (const element of value) if (isOther(element)) collect(element)
    } else throw new EvaluationError('type', 'expression does not evaluate to a derivation (or a set or list of those)')
  }
  collect(root)
  return found.map((derivation) => ({
    drvPath: textOf(evaluator, derivation, 'drvPath', "derivation does not contain a 'drvPath' attribute"),
    outputName: derivation.get('outputName') === undefined ? '' : textOf(evaluator, derivation, 'outputName', ''),
  }))
}

function textOf(evaluator: Evaluator, derivation: Attributes, name: string, missing: string): string {
  const slot = derivation.get(name)
  if (slot === undefined) throw new EvaluationError('eval', missing)
  const text = coerceToString(evaluator, slot, new ContextBuilder(), { more: false, copy: false, doing: `while evaluating the '${name}' attribute of a derivation` }, derivation.locationOf(name) ?? NO_SITE)
  if (name === 'drvPath' && !/^\/nix\/store\/[0-9a-z]{32}-.*\.drv$/.test(text)) {
    throw new EvaluationError('eval', `store path '${text.replace(/^\/nix\/store\//, '')}' is not a valid derivation path`)
  }
  return text
}
