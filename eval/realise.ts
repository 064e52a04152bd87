/**
 * Ring: eval. Making readable what a text refers to. Upstream counterpart: EvalState::realiseContext in src/libexpr/primops.cc, which builds
 * one derivation after the other while everything waits.
 */
import type { Need } from '../contract/evaluations.ts'
import { upstreamPlaceholder } from '../nix/placeholder.ts'
import { rewriteString } from '../nix/rewriting.ts'
import type { Evaluator } from './evaluator.ts'
import { inNixWords } from './files.ts'
import { Suspended } from './io.ts'
import { EvaluationError } from './runtime/errors.ts'
import { speculate } from './runtime/speculate.ts'
import { printContextElement, type StringContext } from './values/context.ts'

/** What every placeholder looks like; most texts name paths, and no placeholder has to be computed to be looked for. */
const PLACEHOLDER = /\/[0-9a-z]{52}/

/**
 * The text, once the outputs in its context can be read: with paths in place of placeholders of outputs whose paths are known now. Suspends before; `awaited`
 * hears of the first need that it waits for. Fails where derivations may not be built during evaluation.
 */
export function realised(evaluator: Evaluator, text: string, context: StringContext | undefined, awaited?: (need: Need) => void): string {
  const wanted = wantedOutputs(context)
  if (wanted.size === 0) return text
  if (!evaluator.settings.allowImportFromDerivation) {
    const [drvPath, [output]] = [...wanted][0]! as [string, [string]]
    throw new EvaluationError('eval', `cannot build '${drvPath}^${output}' during evaluation because the option 'allow-import-from-derivation' is disabled`)
  }
  const rewrites = PLACEHOLDER.test(text) ? new Map<string, string>() : undefined
  const all = [...wanted]
  let first = awaited
  const tell = (need: Need): void => {
    first?.(need)
    first = undefined
  }
  speculate(all.length, (i) => {
    const [drvPath, names] = all[i]!
    for (const [output, path] of outputPaths(evaluator, drvPath, names, tell)) {
      evaluator.files.allow(path)
      rewrites?.set(upstreamPlaceholder(drvPath, output), path)
    }
  })
  return rewrites === undefined ? text : rewriteString(text, rewrites)
}

/** Names of outputs by derivation. */
function wantedOutputs(context: StringContext | undefined): ReadonlyMap<string, readonly string[]> {
  const wanted = new Map<string, string[]>()
  for (const element of context?.elements ?? []) {
    if (element.kind !== 'built') continue
    if (element.path.startsWith('!')) throw new EvaluationError('eval', `cannot build '${printContextElement(element)}' during evaluation: its derivation has to be built first`)
    const known = wanted.get(element.path)
    if (known === undefined) wanted.set(element.path, [element.output])
    else known.push(element.output)
  }
  return wanted
}

function outputPaths(evaluator: Evaluator, drvPath: string, names: readonly string[], awaited: (need: Need) => void): ReadonlyMap<string, string> {
  try {
    return evaluator.io.realise(drvPath, names)
  } catch (error) {
    if (error instanceof Suspended) awaited(error.need)
    throw inNixWords(drvPath, error)
  }
}
