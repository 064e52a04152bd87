/**
 * Ring: cli. Jobs as JSON lines, as nix-eval-jobs prints them, found on this machine. A job that needs something built is an error of
 * that job: the others go on.
 */
import type { EvaluationRequest, EvaluatorMessage, FoundJob } from '../../contract/evaluations.ts'
import { FirnError } from '../../contract/errors.ts'
import { EvaluationSession, type SharedWork } from '../../eval/session.ts'
import { byteStringOfNative } from '../../evaluator/paths.ts'
import type { EvaluateOptions, Input } from './options.ts'
import { printMessage, writeBytes } from './output.ts'
import { fileOf } from './file-argument.ts'
import { unmetNeed, type World } from './world.ts'

/** What is found, told as it is found. */
export interface JobSink {
  /** A line of JSON without its end, a byte string; of a job, where it leads, else of an error. */
  line(text: string, job: { readonly attr: string; readonly drvPath: string } | undefined): void
  /** Nothing of this input can be found: the message, a byte string. */
  fatal(message: string): void
}

export function runJobs(options: EvaluateOptions, world: World): number {
  let failed = false
  let fatal = false
  for (const input of options.inputs) {
    new JobsInput(options, input, world, {
      line: (text, job) => {
        failed ||= job === undefined
        writeBytes(1, `${text}\n`)
      },
      fatal: (message) => {
        fatal = true
        writeBytes(2, message)
      },
    }).sweep()
  }
  return exitCode(options, failed, fatal)
}

export function exitCode(options: EvaluateOptions, failed: boolean, fatal: boolean): number {
  return fatal || (failed && options.jobs.failOnError) ? 1 : 0
}

/** The jobs of one file, expression or flake. With `share`, only of what the session is told to take. */
export class JobsInput {
  readonly session: EvaluationSession
  private readonly options: EvaluateOptions
  private readonly world: World
  private readonly sink: JobSink
  private readonly needs: string[] = []

  constructor(options: EvaluateOptions, input: Input, world: World, sink: JobSink, share?: SharedWork) {
    this.options = options
    this.world = world
    this.sink = sink
    const { meta, forceRecurse, failOnError, constituents, apply, select } = options.jobs
    this.session = new EvaluationSession({
      io: world.io, settings: options.settings, request: requestOf(options, input, world), emit: (message) => this.receive(message), workingFolder: world.folder,
      jobs: { meta, forceRecurse, ignoreOthers: !failOnError, keepAggregates: !constituents, ...(apply === undefined ? {} : { apply: byteStringOfNative(apply) }), ...(select === undefined ? {} : { select: byteStringOfNative(select) }) },
      ...(share && { share }),
    })
  }

  /** Evaluates all there is to do. */
  sweep(): void {
    while (this.session.sweep() !== 'finished') this.session.answer(this.needs.splice(0))
  }

  private receive(message: EvaluatorMessage): void {
    switch (message.kind) {
      case 'job': return this.sink.line(jsonLine(jobLine(message.job, this.options, this.world)), message.job)
      case 'job-error': return this.sink.line(errorLine(message), undefined)
      case 'needs':
        this.world.io.answer(message.needs.map((need) => ({ key: need.key, ok: false, message: unmetNeed(need) })))
        this.needs.push(...message.needs.map((need) => need.key))
        return
      case 'trace': return printMessage(message.level, message.text)
      case 'finished':
        if (message.error !== undefined) this.sink.fatal(byteStringOfNative(message.error.message))
        return
      default:
    }
  }
}

export function errorLine({ attr, attrPath, message }: { readonly attr: string; readonly attrPath: readonly string[]; readonly message: string }): string {
  return jsonLine({ attr, attrPath, error: message.replace(/\n$/, '') })
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
    ...(options.jobs.checkCache === undefined ? {} : cacheStatus(job, world)),
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

/** Whether all outputs are in a store of this machine, or can be taken from substituters. */
function cacheStatus(job: FoundJob, world: World): Record<string, unknown> {
  const paths = Object.values(job.outputs)
  const wanted = paths.filter((path) => path === null || world.io.status(byteStringOfNative(path)) === undefined)
  const known = wanted.filter((path) => path !== null)
  const cacheStatus = wanted.length === 0 ? 'local' : known.length === wanted.length && world.substitutes.available(known).size === known.length ? 'cached' : 'notBuilt'
  return { cacheStatus, isCached: cacheStatus !== 'notBuilt' }
}

function jsonLine(value: unknown): string {
  return byteStringOfNative(JSON.stringify(value))
}
