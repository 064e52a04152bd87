/**
 * Ring: cli. Evaluates on this machine and prints: what stands behind `firn eval`, `firn instantiate`, `firn jobs` and the drop-in
 * commands. Upstream counterpart: src/nix/nix-instantiate. Must run with a large stack (see start.ts).
 */
import { FirnError } from '../../contract/errors.ts'
import type { EvaluationRequest } from '../../contract/evaluations.ts'
import { flakeOutputs, selectAttribute } from '../../eval/session/request.ts'
import { isolated } from '../../eval/evaluator.ts'
import { Suspended } from '../../eval/io.ts'
import { showError } from '../../eval/printing/errors.ts'
import { printAmbiguous } from '../../eval/printing/print.ts'
import { valueToJson } from '../../eval/printing/to-json.ts'
import { valueToXml } from '../../eval/printing/to-xml.ts'
import { autoCall, selectPath } from '../../eval/runtime/auto-call.ts'
import { coerceToString } from '../../eval/runtime/coerce.ts'
import { forceDeep } from '../../eval/runtime/deep.ts'
import { asEvaluationError, EvaluationError } from '../../eval/runtime/errors.ts'
import { NO_SITE } from '../../eval/runtime/site.ts'
import { force, Thunk } from '../../eval/runtime/thunk.ts'
import { printExpression } from '../../eval/syntax/print.ts'
import type { ParsedFile } from '../../eval/syntax/ast.ts'
import { ContextBuilder } from '../../eval/values/context.ts'
import type { Slot } from '../../eval/values/value.ts'
import { byteStringOfNative } from '../../evaluator/paths.ts'
import { findDerivations } from './derivations.ts'
import { fileOf, printFound } from './file-argument.ts'
import { runJobs } from './jobs.ts'
import type { EvaluateOptions, Input } from './options.ts'
import { readStandardInput, writeBytes } from './output.ts'
import { openWorld, unmetNeed, type World } from './world.ts'

/** Does the work and prints; gives the exit code. */
export function evaluateHere(options: EvaluateOptions): number {
  const world = openWorld(options)
  try {
    return isolated(() => evaluateInputs(options, world))
  } catch (error) {
    writeBytes(2, errorText(error, options.settings.showTrace))
    return 1
  } finally {
    world.close()
  }
}

function evaluateInputs(options: EvaluateOptions, world: World): number {
  if (options.work === 'jobs') return runJobs(options, world)
  for (const input of options.inputs) {
    if (options.work === 'find-file') printFound(world, input)
    else evaluateInput(options, world, input)
  }
  return 0
}

/** An error as Nix shows it, with its line's end. Bugs are thrown on. */
export function errorText(error: unknown, showTrace: boolean): string {
  if (error instanceof Suspended) return `error: ${byteStringOfNative(unmetNeed(error.need))}\n`
  if (error instanceof FirnError) return `error: ${byteStringOfNative(error.message)}\n`
  const evaluation = asEvaluationError(error)
  if (evaluation === undefined) throw error
  return showError(evaluation, showTrace)
}

/** Arguments of `--arg` are expressions beside the working folder. */
export function argumentsOf(options: EvaluateOptions, world: World): ReadonlyMap<string, Slot> {
  return new Map(Object.entries(options.arguments).map(([name, { kind, value }]): [string, Slot] => {
    const text = byteStringOfNative(value)
    return [byteStringOfNative(name), kind === 'string' ? text : new Thunk({ location: undefined, run: () => world.evaluator.evaluateText(text, world.folder) }, undefined)]
  }))
}

function evaluateInput(options: EvaluateOptions, world: World, input: Input): void {
  if (input.kind === 'flake') return evaluateFlake(options, world, input)
  const parsed = parseInput(world, input)
  if (options.work === 'parse') {
    writeBytes(1, `${printExpression(parsed.expression)}\n`)
    return
  }
  const args = argumentsOf(options, world)
  const root = world.evaluator.evaluateParsed(parsed)
  for (const attribute of options.attributes.length === 0 ? [''] : options.attributes) show(options, world, args, selectPath(args, root, byteStringOfNative(attribute)))
}

function evaluateFlake(options: EvaluateOptions, world: World, input: Input & { readonly kind: 'flake' }): void {
  const request: EvaluationRequest = { source: input, attributes: options.attributes, arguments: {}, recurse: false, settings: {}, dryRun: true, priority: 0 }
  const root = new Thunk({ location: undefined, run: () => flakeOutputs(world.evaluator, input.reference) }, undefined)
  for (const attribute of options.attributes) show(options, world, new Map(), selectAttribute(world.evaluator, request, root, byteStringOfNative(attribute)))
}

/** Prints what an attribute is: its derivations, or its value. */
function show(options: EvaluateOptions, world: World, args: ReadonlyMap<string, Slot>, selected: Slot): void {
  if (options.work !== 'instantiate') {
    force(selected)
    writeBytes(1, printed(options, world, args.size === 0 ? selected : autoCall(args, selected)))
    return
  }
  for (const { drvPath, outputName } of findDerivations(world.evaluator, args, selected)) {
    if (outputName === '') throw new EvaluationError('eval', `derivation '${drvPath}' lacks an 'outputName' attribute`)
    writeBytes(1, `${drvPath}${outputName === 'out' ? '' : `!${outputName}`}\n`)
  }
}

function printed(options: EvaluateOptions, world: World, value: Slot): string {
  const context = new ContextBuilder()
  switch (options.format) {
    case 'raw': return coerceToString(world.evaluator, value, context, { more: false, copy: true, doing: 'while generating the nix-instantiate output' }, NO_SITE)
    case 'xml': return valueToXml(value, context, { strict: options.strict, locations: options.locations })
    case 'json': return `${valueToJson(world.evaluator, value, context, true, NO_SITE)}\n`
    case 'plain':
      if (options.strict) forceDeep(value)
      return `${printAmbiguous(value)}\n`
  }
}

function parseInput(world: World, input: Exclude<Input, { readonly kind: 'flake' }>): ParsedFile {
  switch (input.kind) {
    case 'expression': return world.evaluator.parseSource({ origin: { kind: 'string' }, text: byteStringOfNative(input.text) }, world.folder)
    case 'standard-input': return world.evaluator.parseSource({ origin: { kind: 'stdin' }, text: readStandardInput() }, world.folder)
    case 'file': return world.evaluator.parseFile(world.evaluator.files.resolveExpression(fileOf(world, input.path)))
  }
}
