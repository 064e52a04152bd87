/** Ring: eval. Jobs: derivations found in a value, described as nix-eval-jobs does. */
import type { FoundJob } from '../../contract/evaluations.ts'
import { textOfByteString } from '../../nix/bytes.ts'
import { derivationOptions } from '../../nix/derivation-options.ts'
import { outputPaths } from '../../nix/derivation-hash.ts'
import { isolated, type Evaluator } from '../evaluator.ts'
import { valueToJson } from '../printing/to-json.ts'
import { call1 } from '../runtime/call.ts'
import { coerceToString } from '../runtime/coerce.ts'
import { asEvaluationError, EvaluationError } from '../runtime/errors.ts'
import { forceAttributes, forceBoolean, forceList } from '../runtime/expect.ts'
import { NO_SITE } from '../runtime/site.ts'
import { showAttributePath } from '../runtime/auto-call.ts'
import { speculate } from '../runtime/speculate.ts'
import { ContextBuilder } from '../values/context.ts'
import type { Attributes, Value } from '../values/value.ts'
import type { Constituents } from './aggregates.ts'

export interface DescribeOptions {
  readonly meta?: boolean | undefined
  /** A function that is applied to the derivation; what it gives is shown as JSON. */
  readonly apply?: Value | undefined
}

/** Describes a derivation; may suspend, fails where it can't be instantiated. */
export function describeJob(evaluator: Evaluator, path: readonly string[], value: Attributes, options: DescribeOptions = {}): { readonly job: FoundJob; readonly constituents: Constituents | undefined } {
  const location = value.locationOf('drvPath') ?? NO_SITE
  const drvPathSlot = value.get('drvPath')
  if (drvPathSlot === undefined) throw new EvaluationError('eval', 'derivation does not contain a \'drvPath\' attribute')
  const drvPath = coerceToString(evaluator, drvPathSlot, new ContextBuilder(), { more: false, copy: false, doing: 'while evaluating the \'drvPath\' attribute of a derivation' }, location)
  if (!/^\/nix\/store\/[0-9a-z]{32}-.*\.drv$/.test(drvPath)) throw new EvaluationError('eval', `path '${drvPath}' is not in the Nix store`)
  const constituents = aggregateConstituents(evaluator, value)
  const job = jobOfDerivation(evaluator, path, drvPath, constituents === undefined ? undefined : [...constituents.drvPaths, ...constituents.names])
  const meta = options.meta === true ? metaOf(evaluator, value) : undefined
  const extra = options.apply === undefined ? undefined : valueToJson(evaluator, call1(options.apply, value, NO_SITE), new ContextBuilder(), false, NO_SITE)
  return { job: { ...job, ...(meta !== undefined && { meta }), ...(extra !== undefined && { extraValue: JSON.parse(textOfByteString(extra)) as unknown }) }, constituents }
}

/** What of `meta` can be shown: an attribute that fails, or holds what JSON can't, is left out, as nix-env does. */
function metaOf(evaluator: Evaluator, value: Attributes): Record<string, unknown> | undefined {
  const slot = value.get('meta')
  if (slot === undefined) return undefined
  const meta = forceAttributes(slot, 'while evaluating the `meta` attribute', NO_SITE)
  const shown: Record<string, unknown> = {}
  meta.layout.names.forEach((name, index) => {
    const text = isolated(() => {
      try {
        return valueToJson(evaluator, meta.values[index]!, new ContextBuilder(), false, NO_SITE)
      } catch (error) {
        if (asEvaluationError(error) === undefined) throw error
        return undefined
      }
    })
    if (text !== undefined) shown[textOfByteString(name)] = JSON.parse(textOfByteString(text))
  })
  return shown
}

export function jobOfDerivation(evaluator: Evaluator, path: readonly string[], drvPath: string, constituents?: readonly string[]): FoundJob {
  const derivation = evaluator.readDerivation(drvPath)
  const outputs: Record<string, string | null> = {}
  for (const [name, output] of outputPaths(derivation)) outputs[textOfByteString(name)] = output ?? null
  const inputDrvs: Record<string, readonly string[]> = {}
  for (const [input, names] of derivation.inputDerivations) inputDrvs[input] = names
  const attrPath = path.map(textOfByteString)
  return {
    attr: showAttributePath(attrPath), attrPath, name: textOfByteString(derivation.name), system: textOfByteString(derivation.system), drvPath, outputs, inputDrvs,
    ...(constituents !== undefined && { constituents }),
    requiredSystemFeatures: derivationOptions(derivation).requiredSystemFeatures,
  }
}

/** Of Hydra's aggregates: derivation paths, and names of jobs. */
function aggregateConstituents(evaluator: Evaluator, value: Attributes): Constituents | undefined {
  const aggregate = value.get('_hydraAggregate')
  if (aggregate === undefined || !forceBoolean(aggregate, 'while evaluating the `_hydraAggregate` attribute', NO_SITE)) return undefined
  const slot = value.get('constituents')
  if (slot === undefined) throw new EvaluationError('eval', 'derivation must have a \'constituents\' attribute')
  const list = forceList(slot, 'while evaluating the `constituents` attribute', NO_SITE)
  const glob = value.get('_hydraGlobConstituents')
  const areGlobs = glob !== undefined && forceBoolean(glob, 'while evaluating the `_hydraGlobConstituents` attribute', NO_SITE)
  const drvPaths: string[] = []
  const names: string[] = []
  speculate(list.length, (i) => {
    const context = new ContextBuilder()
    const text = coerceToString(evaluator, list[i]!, context, { more: true, copy: false, doing: 'while evaluating an element of the `constituents` attribute' }, NO_SITE)
    const elements = context.build()?.sorted() ?? []
    if (elements.length === 0) names.push(textOfByteString(text))
    for (const element of elements) if (element.kind !== 'opaque') drvPaths.push(element.path)
  })
  return { drvPaths, names, areGlobs }
}

/** Whether a set says that the jobs in it are wanted too. */
export function recursesInto(value: Attributes): boolean {
  for (const name of ['recurseForDerivations', '__recurseIntoAttrs']) {
    const slot = value.get(name)
    if (slot !== undefined && forceBoolean(slot, `while evaluating the \`${name}\` attribute`, value.locationOf(name) ?? NO_SITE)) return true
  }
  return false
}

