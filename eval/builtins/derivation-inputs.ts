/**
 * Ring: eval. What the strings of a derivation refer to becomes its inputs. Upstream counterpart: the second half of
 * derivationStrictInternal in src/libexpr/primops.cc.
 */
import type { PrintableDerivation } from '../../nix/derivation-printer.ts'
import { byBytes, sortedUnique, sortInPlace, type SortedMap } from '../../nix/sorting.ts'
import type { Evaluator } from '../evaluator.ts'
import type { ContextElement } from '../values/context.ts'
import { DynamicInputs, isDynamic } from './dynamic-derivations.ts'

/** Everything comes sorted. */
export function inputsOf(evaluator: Evaluator, context: readonly ContextElement[]): Pick<PrintableDerivation, 'inputDerivations' | 'dynamicInputs' | 'inputSources'> {
  const references: OutputReference[] = []
  const sources: string[] = []
  let dynamic: DynamicInputs | undefined
  let seen: Set<string> | undefined
  for (const element of context) {
    if (element.kind === 'opaque') sources.push(element.path)
    else if (element.kind === 'deep') addClosure(evaluator, element.path, (seen ??= new Set()), references, sources)
    else if (isDynamic(element.path)) (dynamic ??= new DynamicInputs()).add(element.path, element.output)
    else references.push(element)
  }
  const dynamicInputs = dynamic?.build()
  return { inputDerivations: grouped(references), ...(dynamicInputs !== undefined && { dynamicInputs }), inputSources: sortedUnique(sources) }
}

interface OutputReference {
  /** That of the `.drv`. */
  readonly path: string
  readonly output: string
  /** The list of it alone: nearly all inputs have one, and share what their references have. */
  readonly outputs: readonly string[]
}

/** The names of outputs by `.drv`, both sorted. */
function grouped(references: OutputReference[]): SortedMap<readonly string[]> {
  sortInPlace(references, (a, b) => byBytes(a.path, b.path) || byBytes(a.output, b.output))
  const keys: string[] = []
  const values: (readonly string[])[] = []
  for (let i = 0; i < references.length; i++) {
    const { path, output, outputs } = references[i]!
    const before = references[i - 1]
    if (before?.path !== path) {
      keys.push(path)
      values.push(outputs)
    } else if (before.output !== output) values[values.length - 1] = [...values[values.length - 1]!, output]
  }
  return { keys, values }
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
    const derivation = evaluator.readDerivation(path)
    for (const output of derivation.outputs.keys()) references.push({ path, output, outputs: [output] })
    pending.push(...derivation.inputDerivations.keys(), ...derivation.inputSources)
  }
}
