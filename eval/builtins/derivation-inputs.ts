/**
 * Ring: eval. What the strings of a derivation refer to becomes its inputs. Upstream counterpart: the second half of
 * derivationStrictInternal in src/libexpr/primops.cc.
 */
import { parseDerivation, type Derivation } from '../../nix/derivation.ts'
import { sortedUnique } from '../../nix/sorting.ts'
import { derivationName, parseStorePath } from '../../nix/store-path.ts'
import type { Evaluator } from '../evaluator.ts'
import { guarded } from '../files.ts'
import type { StringContext } from '../values/context.ts'
import { byBytes } from '../values/order.ts'
import { DynamicInputs, isDynamic } from './dynamic-derivations.ts'

interface OutputReference {
  /** That of the `.drv`. */
  readonly path: string
  readonly output: string
}

/** Everything comes sorted. */
export function inputsOf(evaluator: Evaluator, context: StringContext | undefined): Pick<Derivation, 'inputDerivations' | 'dynamicInputs' | 'inputSources'> {
  const references: OutputReference[] = []
  const sources: string[] = []
  let dynamic: DynamicInputs | undefined
  const seen = new Set<string>()
  for (const element of context?.elements ?? []) {
    if (element.kind === 'opaque') sources.push(element.path)
    else if (element.kind === 'deep') addClosure(evaluator, element.path, seen, references, sources)
    else if (isDynamic(element.path)) (dynamic ??= new DynamicInputs()).add(element.path, element.output)
    else references.push(element)
  }
  const dynamicInputs = dynamic?.build()
  return { inputDerivations: grouped(references), ...(dynamicInputs !== undefined && { dynamicInputs }), inputSources: sortedUnique(sources.sort()) }
}

/** The names of outputs by `.drv`, both sorted. */
function grouped(references: OutputReference[]): ReadonlyMap<string, readonly string[]> {
  references.sort((a, b) => byBytes(a.path, b.path) || byBytes(a.output, b.output))
  const inputs = new Map<string, string[]>()
  let outputs: string[] = []
  for (let i = 0; i < references.length; i++) {
    const { path, output } = references[i]!
    if (i === 0 || references[i - 1]!.path !== path) inputs.set(path, (outputs = [output]))
    else if (outputs[outputs.length - 1] !== output) outputs.push(output)
  }
  return inputs
}

/** A derivation with all its outputs, and everything that it was made from. */
function addClosure(evaluator: Evaluator, drvPath: string, seen: Set<string>, references: OutputReference[], sources: string[]): void {
  const pending = [drvPath]
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (seen.has(path)) continue
    seen.add(path)
    sources.push(path)
    if (!path.endsWith('.drv')) {
      pending.push(...evaluator.referencesOf(path))
      continue
    }
    const at = path
    const derivation = parseDerivation(guarded(at, () => evaluator.io.readDerivation(at)), derivationName(parseStorePath(at)))
    for (const output of derivation.outputs.keys()) references.push({ path, output })
    pending.push(...derivation.inputDerivations.keys(), ...derivation.inputSources)
  }
}
