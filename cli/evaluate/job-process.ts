/**
 * Ring: cli. One of several processes that look for jobs (job-pool.ts): takes attributes from descriptor 3, one after the other, and
 * answers on descriptor 4. It waits while it reads, since evaluation is synchronous and there is nothing else to do.
 * Upstream counterpart: src/worker.cc of nix-eval-jobs.
 */
import { Buffer } from 'node:buffer'
import { readSync, writeSync } from 'node:fs'
import { isolated } from '../../eval/evaluator.ts'
import type { JobPlace } from '../../contract/evaluations.ts'
import { collectGarbage } from '../../evaluator/garbage.ts'
import type { JobResult, ToJobProcess } from './job-protocol.ts'
import { JobsInput } from './jobs.ts'
import type { EvaluateOptions } from './options.ts'
import { errorText } from './run.ts'
import { openWorld, type World } from './world.ts'

const FROM_POOL = 3
const TO_POOL = 4
const MEGABYTE = 2 ** 20
/** Of the limit: less than this must be left after garbage is collected, or it would be collected after every job. */
const WORTH_KEEPING = 0.8

class JobProcess {
  private readonly options: EvaluateOptions
  private readonly world: World
  private readonly inputs = new Map<number, JobsInput>()
  private result = emptyResult()

  constructor(options: EvaluateOptions) {
    this.options = options
    this.world = openWorld(options)
  }

  run(): void {
    try {
      // while the first process looks for what there is, the others read the same files
      this.guarded(() => this.input(0).session.prepare())
      this.result = emptyResult()
      for (const task of tasks()) {
        this.guarded(() => this.perform(task))
        const full = this.isFull()
        send({ ...this.result, full })
        this.result = emptyResult()
        if (full) return
      }
    } finally {
      this.world.close()
    }
  }

  private perform(task: ToJobProcess): void {
    const input = this.input(task.input)
    input.session.take(task.kind === 'take' ? [task.place] : task.aggregates)
    input.sweep()
    if (task.kind === 'conclude') input.session.conclude(task.drvPaths.map(([attr, drvPath]) => ({ attr, drvPath })))
  }

  private input(number: number): JobsInput {
    let input = this.inputs.get(number)
    if (input === undefined) {
      this.inputs.set(number, (input = new JobsInput(this.options, this.options.inputs[number]!, this.world, {
        line: (text, job) => {
          this.result.lines.push(text)
          if (job === undefined) this.result.failed = true
          else this.result.drvPaths.push([job.attr, job.drvPath])
        },
        fatal: (message) => { this.result.fatal = message },
      }, {
        children: (places) => this.result.children.push(...places),
        aggregate: (place) => this.result.aggregates.push(place),
      })))
    }
    return input
  }

  private guarded(work: () => void): void {
    try {
      isolated(work)
    } catch (error) {
      this.result.fatal = errorText(error, this.options.settings.showTrace)
    }
  }

  private isFull(): boolean {
    const limit = (this.options.jobs.processes?.megabytes ?? Infinity) * MEGABYTE
    if (process.memoryUsage.rss() <= limit) return false
    collectGarbage()
    return process.memoryUsage.rss() > limit * WORTH_KEEPING
  }
}

function emptyResult(): { lines: string[]; drvPaths: [string, string][]; failed: boolean; fatal?: string; children: JobPlace[]; aggregates: JobPlace[] } {
  return { lines: [], drvPaths: [], failed: false, children: [], aggregates: [] }
}

/** Until the pool closes its end. */
function* tasks(): Iterable<ToJobProcess> {
  const chunk = Buffer.alloc(65_536)
  let parts: string[] = []
  for (let count = readSync(FROM_POOL, chunk); count > 0; count = readSync(FROM_POOL, chunk)) {
    // lines are ASCII
    const lines = chunk.toString('latin1', 0, count).split('\n')
    for (const end of lines.slice(0, -1)) {
      yield JSON.parse(parts.join('') + end) as ToJobProcess
      parts = []
    }
    parts.push(lines.at(-1)!)
  }
}

function send(result: JobResult): void {
  const bytes = Buffer.from(`${JSON.stringify(result)}\n`, 'utf8')
  for (let at = 0; at < bytes.length;) at += writeSync(TO_POOL, bytes, at)
}

const options = JSON.parse(process.env['FIRN_EVALUATE'] ?? 'null') as EvaluateOptions
delete process.env['FIRN_EVALUATE']
new JobProcess(options).run()
