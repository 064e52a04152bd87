/**
 * Ring: eval. Making readable what a text refers to. Upstream counterpart: EvalState::realiseContext in src/libexpr/primops.cc, which builds
 * one derivation after the other while everything waits.
 */
import type { Need } from '../contract/evaluations.ts'
import { upstreamPlaceholder } from '../nix/placeholder.ts'
import { rewriteString } from '../nix/rewriting.ts'
import type { Evaluator } from './evaluator.ts'
import { guarded } from './files.ts'
import { Suspended } from './io.ts'
import { EvaluationError } from './runtime/errors.ts'
import { noteNeed } from './runtime/needs.ts'
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
  if (wanted.length === 0) return text
  if (!evaluator.settings.allowImportFromDerivation) {
    const { drvPath, outputs } = wanted[0]!
    throw new EvaluationError('eval', `cannot build '${drvPath}^${outputs[0]!}' during evaluation because the option 'allow-import-from-derivation' is disabled`)
  }
  const rewrites = PLACEHOLDER.test(text) ? new Map<string, string>() : undefined
  let first = awaited
  speculate(wanted.length, (i) => {
    const { drvPath, outputs } = wanted[i]!
    const { paths, need } = guarded(drvPath, () => evaluator.io.realise(drvPath, outputs))
    if (need !== undefined) {
      first?.(need)
      first = undefined
      suspend(need)
    }
    for (let j = 0; j < outputs.length; j++) {
      evaluator.files.allow(paths[j]!)
      rewrites?.set(upstreamPlaceholder(drvPath, outputs[j]!), paths[j]!)
    }
  })
  return rewrites === undefined ? text : rewriteString(text, rewrites)
}

function suspend(need: Need): never {
  noteNeed(need)
  throw new Suspended(need)
}

interface Wanted {
  readonly drvPath: string
  readonly outputs: readonly string[]
}

/** By derivation. */
function wantedOutputs(context: StringContext | undefined): readonly Wanted[] {
  if (context === undefined) return []
  const { elements } = context
  for (const element of elements) {
    if (element.kind === 'built' && element.path.startsWith('!')) throw new EvaluationError('eval', `cannot build '${printContextElement(element)}' during evaluation: its derivation has to be built first`)
  }
  // nearly always
  if (elements.length === 1) {
    const { kind, path, outputs } = elements[0]!
    return kind === 'built' ? [{ drvPath: path, outputs }] : []
  }
  const wanted = new Map<string, string[]>()
  for (const { kind, path, output } of elements) {
    if (kind !== 'built') continue
    const known = wanted.get(path)
    if (known === undefined) wanted.set(path, [output])
    else known.push(output)
  }
  return [...wanted].map(([drvPath, outputs]) => ({ drvPath, outputs }))
}
