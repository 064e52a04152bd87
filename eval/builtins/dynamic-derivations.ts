/**
 * Ring: eval. `outputOf`: the output of a derivation that is itself an output of one, and what such references make of a derivation's
 * inputs. Upstream counterpart: src/libexpr/primops.cc (prim_outputOf) and SingleDerivedPath in src/libstore.
 */
import type { DynamicInput } from '../../nix/derivation.ts'
import { dynamicPlaceholder, upstreamPlaceholder } from '../../nix/placeholder.ts'
import type { Evaluator } from '../evaluator.ts'
import { callSite } from '../runtime/call.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { forcePlainString, forceString } from '../runtime/expect.ts'
import { ContextBuilder, printContextElement, singleContext } from '../values/context.ts'
import { ContextString, type Slot, type Value } from '../values/value.ts'
import { builtin, type BuiltinFamily } from './definition.ts'

/** `!o2!!o1!/nix/store/….drv`: the derivation that is there, and outputs from it outwards. */
interface DerivedPath {
  readonly drvPath: string
  readonly outputs: readonly string[]
}

function parseDerivedPath(text: string): DerivedPath {
  const match = /^!([^!]+)!(.*)$/s.exec(text)
  if (match === null) return { drvPath: text, outputs: [] }
  const inner = parseDerivedPath(match[2]!)
  return { drvPath: inner.drvPath, outputs: [...inner.outputs, match[1]!] }
}

/** As commands take it: `/nix/store/….drv^out`. */
function showDerivedPath(text: string): string {
  const { drvPath, outputs } = parseDerivedPath(text)
  return [drvPath, ...outputs].join('^')
}

/** Whether a context's derivation is not there yet, but an output of another. */
export function isDynamic(path: string): boolean {
  return path.startsWith('!')
}

/** The text that stands for a derived path: its path where that is known, else a placeholder. */
function textOfPath(evaluator: Evaluator, { drvPath, outputs }: DerivedPath): string {
  const [first, ...others] = outputs
  if (first === undefined) return drvPath
  if (others.length > 0) return dynamicPlaceholder(drvPath, [first, ...others])
  const output = evaluator.readDerivation(drvPath).outputs.get(first)
  return output !== undefined && 'path' in output ? output.path : upstreamPlaceholder(drvPath, first)
}

function outputOf(evaluator: Evaluator, derivation: Slot, output: Slot): Value {
  const doing = 'while evaluating the first argument to builtins.outputOf'
  const site = callSite()
  const context = new ContextBuilder()
  const text = forceString(derivation, doing, site, context)
  const elements = context.build()?.elements ?? []
  const traces = [{ text: doing, location: site }]
  if (elements.length !== 1) throw new EvaluationError('eval', `string '${text}' has ${elements.length} entries in its context. It should only have exactly one entry`, { traces })
  const [element] = elements as [(typeof elements)[0]]
  if (element.kind === 'deep') throw new EvaluationError('eval', `string '${text}' has a context which refers to a complete source and binary closure. This is not supported at this time`, { traces })
  const reference = printContextElement(element)
  const path = parseDerivedPath(reference)
  const expected = textOfPath(evaluator, path)
  if (text !== expected) {
    const message = element.kind === 'opaque'
      ? `path string '${text}' has context with the different path '${expected}'`
      : `string '${text}' has context with the output '${element.output}' from derivation '${showDerivedPath(element.path)}', but the string is not the right placeholder for this derivation output. It should be '${expected}'`
    throw new EvaluationError('eval', message, { traces })
  }
  const name = forcePlainString(output, 'while evaluating the second argument to builtins.outputOf', site)
  return new ContextString(textOfPath(evaluator, { drvPath: path.drvPath, outputs: [...path.outputs, name] }), singleContext('built', reference, name))
}

interface MutableInput {
  readonly outputs: string[]
  readonly dynamic: Map<string, MutableInput>
}

/** Gathers references to outputs of derivations that are outputs. */
export class DynamicInputs {
  private readonly found = new Map<string, Map<string, MutableInput>>()

  add(path: string, output: string): void {
    const { drvPath, outputs } = parseDerivedPath(path)
    let level = this.found.get(drvPath)
    if (level === undefined) this.found.set(drvPath, (level = new Map()))
    let node: MutableInput | undefined
    for (const name of outputs) {
      node = level.get(name)
      if (node === undefined) level.set(name, (node = { outputs: [], dynamic: new Map() }))
      level = node.dynamic
    }
    if (!node!.outputs.includes(output)) node!.outputs.push(output)
    node!.outputs.sort()
  }

  build(): ReadonlyMap<string, ReadonlyMap<string, DynamicInput>> | undefined {
    return this.found.size === 0 ? undefined : this.found
  }
}

export const dynamicDerivations: BuiltinFamily = (evaluator) => [builtin('__outputOf', 2, (derivation, output) => outputOf(evaluator, derivation, output))]
