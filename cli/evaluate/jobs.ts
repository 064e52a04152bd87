/**
 * Ring: cli. Jobs as JSON lines, as nix-eval-jobs prints them, found on this machine. A job that needs something built is an error of
 * that job: the others go on.
 */
import type { EvaluationRequest, EvaluatorMessage, FoundJob } from '../../contract/evaluations.ts'
import { FirnError } from '../../contract/errors.ts'
import { EvaluationSession } from '../../eval/session.ts'
import { byteStringOfNative } from '../../evaluator/paths.ts'
import type { EvaluateOptions, Input } from './options.ts'
import { printMessage, writeBytes } from './output.ts'
import { fileOf } from './file-argument.ts'
import { unmetNeed, type World } from './world.ts'

export function runJobs(options: EvaluateOptions, world: World): number {
  let failed = false
  let fatal = false
  for (const input of options.inputs) {
    const emit = (message: EvaluatorMessage): void => {
      switch (message.kind) {
        case 'job':
          writeLine(jobLine(message.job, options, world))
          return
        case 'job-error':
          failed = true
          writeLine({ attr: message.attr, attrPath: message.attrPath, error: message.message.replace(/\n$/, '') })
          return
        case 'needs':
          world.io.answer(message.needs.map((need) => ({ key: need.key, ok: false, message: unmetNeed(need) })))
          needs.push(...message.needs.map((need) => need.key))
          return
        case 'trace':
          printMessage(message.level, message.text)
          return
        case 'finished':
          if (message.error === undefined) return
          fatal = true
          writeBytes(2, byteStringOfNative(message.error.message))
          return
        default:
      }
    }
    const needs: string[] = []
    const session = new EvaluationSession({ io: world.io, settings: options.settings, request: requestOf(options, input, world), emit, workingFolder: world.folder, jobs: { meta: options.jobs.meta, forceRecurse: options.jobs.forceRecurse, ignoreOthers: !options.jobs.failOnError, keepAggregates: !options.jobs.constituents, ...(options.jobs.apply === undefined ? {} : { apply: byteStringOfNative(options.jobs.apply) }), ...(options.jobs.select === undefined ? {} : { select: byteStringOfNative(options.jobs.select) }) } })
    while (session.sweep() !== 'finished') session.answer(needs.splice(0))
  }
  return fatal || (failed && options.jobs.failOnError) ? 1 : 0
}

function requestOf(options: EvaluateOptions, input: Input, world: World): EvaluationRequest {
  const common = { attributes: options.attributes, arguments: options.arguments, recurse: true, settings: {}, dryRun: true, priority: 0 }
  switch (input.kind) {
    case 'file': return { ...common, source: { kind: 'file', path: fileOf(world, input.path) } }
    case 'expression': return { ...common, source: { kind: 'expression', text: input.text, basePath: process.cwd() } }
    case 'flake': return { ...common, source: { kind: 'flake', reference: input.reference, prefixes: input.prefixes } }
    case 'standard-input': throw new FirnError('invalid-input', 'jobs are not read from standard input; use -E')
  }
}

/** The fields of nix-eval-jobs, in its order. */
function jobLine(job: FoundJob, options: EvaluateOptions, world: World): Record<string, unknown> {
  return {
    attr: job.attr,
    attrPath: job.attrPath,
    ...(options.jobs.constituents && job.constituents !== undefined ? { constituents: job.constituents } : {}),
    ...(options.jobs.checkCache ? cacheStatus(job, world) : {}),
    drvPath: job.drvPath,
    ...(job.extraValue !== undefined ? { extraValue: job.extraValue } : {}),
    ...(options.jobs.showInputDrvs ? { inputDrvs: job.inputDrvs } : {}),
    ...(options.jobs.meta && job.meta !== undefined ? { meta: job.meta } : {}),
    name: job.name,
    outputs: job.outputs,
    requiredSystemFeatures: job.requiredSystemFeatures,
    system: job.system,
  }
}

/** Whether all outputs are in a store of this machine. Nobody else is asked. */
function cacheStatus(job: FoundJob, world: World): Record<string, unknown> {
  const isLocal = Object.values(job.outputs).every((path) => path !== null && world.io.status(byteStringOfNative(path)) !== undefined)
  return { cacheStatus: isLocal ? 'local' : 'notBuilt', isCached: isLocal }
}

function writeLine(value: unknown): void {
  writeBytes(1, `${byteStringOfNative(JSON.stringify(value))}\n`)
}
