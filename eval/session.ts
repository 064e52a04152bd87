/**
 * Ring: eval. One evaluation of a request (a file or expression, its attributes, its jobs) over an EvalIO, that goes on as
 * long as anything can go on. Upstream counterpart: nix-eval-jobs and Nix's src/libexpr/{get-drvs,attr-path}.cc, which
 * block where this suspends.
 *
 * Use: `new EvaluationSession(…)`, then `sweep()` until it says 'idle' or 'finished'; when answers to needs have come, tell the
 * EvalIO first and then the session (`answer`), and sweep again.
 */
import type { EvaluationRequest, EvaluationSettings, EvaluatorMessage, JobPlace, Need, SourcePosition } from '../contract/evaluations.ts'
import { byteStringOfText, textOfByteString } from '../nix/bytes.ts'
import type { DerivationHash } from '../nix/derivation-hash.ts'
import { Evaluator } from './evaluator.ts'
import type { EvalIO } from './io.ts'
import { showError } from './printing/errors.ts'
import { autoCall, showAttributePath } from './runtime/auto-call.ts'
import { EvaluationError } from './runtime/errors.ts'
import { isDerivation } from './runtime/equality.ts'
import { tracker } from './runtime/dependencies.ts'
import { noteTrace, type Trial } from './runtime/needs.ts'
import { isList, showType } from './runtime/types.ts'
import { force, Thunk } from './runtime/thunk.ts'
import { resolveAggregates, type Aggregate } from './session/aggregates.ts'
import { attempt, tryAhead, type Waiting } from './session/attempt.ts'
import { describeJob, jobOfDerivation, recursesInto } from './session/jobs.ts'
import { rootOf, requestArguments, selectAttribute } from './session/request.ts'
import type { Root } from './session/root.ts'
import { memberOf, pathOf, placeOf, taskOf, type Task } from './session/task.ts'
import { originName } from './syntax/position.ts'
import { Attributes, type Slot, type Value } from './values/value.ts'

export interface SessionOptions {
  readonly io: EvalIO
  readonly settings: EvaluationSettings
  readonly request: EvaluationRequest
  /** Gets jobs, job errors, needs (each once), traces, and `finished`. */
  readonly emit: (message: EvaluatorMessage) => void
  /** For relative paths in the request and the search path. */
  readonly workingFolder?: string
  /** Beyond what a request says: what nix-eval-jobs has flags for. */
  readonly jobs?: JobOptions
  /** The work is shared with other sessions of the same request: only what `take` gets is evaluated, and what that holds is told here. */
  readonly share?: SharedWork
  /** What an evaluation before this one left (resident.ts); else everything is made anew. */
  readonly resident?: { readonly evaluator: Evaluator; readonly root: Root }
}

export interface JobOptions {
  /** Jobs carry what their `meta` attribute holds. */
  readonly meta?: boolean
  /** Every attribute set is walked into, whatever it says. */
  readonly forceRecurse?: boolean
  /** Numbers, strings and the like where jobs are expected are passed over, instead of being errors as in Hydra. */
  readonly ignoreOthers?: boolean
  /** A function, applied to the whole value first; a byte string. */
  readonly select?: string
  /** A function, applied to each job; a byte string. */
  readonly apply?: string
  /** Aggregates that name their constituents stay as they are. */
  readonly keepAggregates?: boolean
}

export interface SharedWork {
  /** What was found in a set or list; any session of the request may take it. */
  children(places: readonly JobPlace[]): void
  /** An aggregate, which waits until all jobs are known: one session takes all aggregates and `conclude`s. */
  aggregate(place: JobPlace): void
  /** What was taken has been tried, and that took so long. */
  tried?(place: JobPlace, milliseconds: number): void
}

export interface SessionProgress {
  readonly attributesDone: number
  readonly attributesWaiting: number
  readonly needsOutstanding: number
}

/** 'busy': stopped by the time limit, more can be done at once; 'idle': everything left waits for needs; 'finished': `finished` was emitted. */
export type SweepOutcome = 'busy' | 'idle' | 'finished'

/** Of the needs that a task waited for: with so many met it is tried as a whole. */
const WHOLE_SHARE = 7 / 8

export class EvaluationSession {
  readonly evaluator: Evaluator
  private readonly request: EvaluationRequest
  private readonly settings: EvaluationSettings
  private readonly emit: (message: EvaluatorMessage) => void
  private readonly jobs: JobOptions
  private readonly root: Root | undefined
  private readonly share: SharedWork | undefined
  /** Tasks of what was asked for, and in shared work of sets that something was taken from. */
  private readonly roots: readonly Task[]
  private readonly parents = new Map<string, Task>()
  /** The next to try is the last. */
  private readonly ready: Task[] = []
  private readonly waiting = new Set<Task>()
  /** Parts of waiting tasks whose need was met. */
  private ahead: { readonly task: Task; readonly trial: Trial }[] = []
  private readonly outstanding = new Map<string, Set<Task>>()
  private readonly announced = new Set<string>()
  /** Announced in this sweep, and told at its end. */
  private readonly fresh: Need[] = []
  private readonly answered = new Set<string>()
  /** Jobs by name, and aggregates that wait until all are known. */
  private readonly drvPaths = new Map<string, string>()
  private readonly aggregates: Aggregate[] = []
  private applied: Value | undefined
  private current: Task | undefined
  private done = 0
  private finished = false

  constructor(options: SessionOptions) {
    this.request = options.request
    this.settings = options.settings
    this.emit = options.emit
    this.jobs = options.jobs ?? {}
    this.root = options.resident?.root
    this.evaluator = options.resident?.evaluator ?? new Evaluator({
      io: options.io, settings: options.settings, trace: (level, text) => this.trace(level, text),
      ...(options.workingFolder !== undefined && { workingFolder: options.workingFolder }),
    })
    this.evaluator.recall.clear()
    this.share = options.share
    this.roots = this.rootTasks()
    if (this.share === undefined) this.ready.push(...[...this.roots].reverse())
  }

  private rootTasks(): Task[] {
    const { source, attributes } = this.request
    if (source.kind === 'derivations') return source.drvPaths.map((drvPath, number) => this.newTask([], drvPath, number, 0))
    const root = this.root?.value ?? new Thunk({ location: undefined, run: () => rootOf(this.evaluator, this.request, this.jobs.select) }, undefined)
    if (attributes.length === 0) return [this.newTask([], root, 0, 0)]
    return attributes.map((attribute, number) => {
      const text = byteStringOfText(attribute)
      const select = () => selectAttribute(this.evaluator, this.request, root, text)
      return this.newTask(pathOf(text), new Thunk({ location: undefined, run: select }, undefined), number, 0)
    })
  }

  /** Evaluates until nothing can go on, or (checked between attributes) the time is over. */
  sweep(limit: { readonly milliseconds?: number } = {}): SweepOutcome {
    if (this.finished) return 'finished'
    const outcome = this.tracked(() => this.tryAll(limit.milliseconds ?? Infinity))
    if (this.fresh.length > 0) this.emit({ kind: 'needs', needs: this.fresh.splice(0) })
    if (outcome === 'busy') return 'busy'
    if (this.waiting.size > 0) return 'idle'
    if (!this.finished && this.share === undefined) this.finish()
    return 'finished'
  }

  private tryAll(milliseconds: number): 'busy' | undefined {
    let now = performance.now()
    const end = now + milliseconds
    const ahead = this.ahead
    this.ahead = []
    for (const { task, trial } of ahead) this.tryAhead(task, trial)
    for (let task = this.ready.pop(); task !== undefined; task = this.ready.pop()) {
      const begun = now
      this.try(task)
      now = performance.now()
      this.share?.tried?.(placeOf(task), now - begun)
      if (this.ready.length > 0 && now >= end) return 'busy'
    }
    return undefined
  }

  /** In shared work: evaluates the value as a whole, so that what is taken later begins there. */
  prepare(): void {
    const [root] = this.roots
    if (root !== undefined) this.tracked(() => attempt(root.history, () => force(root.called)))
  }

  /** What is evaluated notes what it depends on, where values are remembered. */
  private tracked<T>(work: () => T): T {
    const before = tracker.on
    tracker.on = this.root !== undefined
    try {
      return work()
    } finally {
      tracker.on = before
    }
  }

  /** In shared work: sweeps evaluate these as well, in this order, after what was taken before. */
  take(places: readonly JobPlace[]): void {
    this.ready.unshift(...places.map((place) => this.taskAt(place)).reverse())
  }

  /** In shared work, when all jobs are known (by name) and all aggregates were taken here: emits these. `hash` where no derivation can be read. */
  conclude(jobs: Iterable<{ readonly attr: string; readonly drvPath: string; readonly hash?: DerivationHash }>): void {
    const { derivationHashes } = this.evaluator
    const lent: string[] = []
    for (const { attr, drvPath, hash } of jobs) {
      this.drvPaths.set(attr, drvPath)
      if (hash === undefined || derivationHashes.has(drvPath)) continue
      derivationHashes.set(drvPath, hash)
      lent.push(drvPath)
    }
    try {
      this.finish()
    } finally {
      // a later evaluation that makes such a derivation itself would take it for written
      for (const drvPath of lent) derivationHashes.delete(drvPath)
    }
  }

  private taskAt({ root, names }: JobPlace): Task {
    const name = names.at(-1)
    if (name === undefined) return this.roots[root]!
    const above: JobPlace = { root, names: names.slice(0, -1) }
    const key = JSON.stringify(above)
    let parent = this.parents.get(key)
    if (parent === undefined) this.parents.set(key, (parent = this.taskAt(above)))
    const { called, path, depth } = parent
    // the slot of the value itself, since that is what calls are remembered for
    const run = (): Value => force(this.calledOf(memberOf(force(called), name)))
    const slot = new Thunk({ location: undefined, run }, undefined)
    return taskOf([...path, name], slot, slot, root, depth + 1)
  }

  /** These needs (by key) have been answered, well or badly: the EvalIO knows how. Wakes what waited for them. */
  answer(keys: readonly string[]): void {
    const woken = new Set<Task>()
    for (const key of keys) {
      // others of a shared evaluation asked for it
      if (!this.announced.has(key)) continue
      this.answered.add(key)
      this.evaluator.recall.answer(key)
      for (const task of this.outstanding.get(key) ?? []) {
        task.waitsFor.delete(key)
        task.met++
        const trials = task.trials.get(key)
        // A task is tried as a whole when most of what it waited for is there, so that it does little again however many needs it
        // has; until then only the part that this need held up is, which finds what is needed next.
        if (trials === undefined || task.waitsFor.size === 0 || task.met >= task.width * WHOLE_SHARE) woken.add(task)
        else for (const trial of trials) this.ahead.push({ task, trial })
        task.trials.delete(key)
      }
      this.outstanding.delete(key)
    }
    for (const task of [...woken].reverse()) this.awake(task)
  }

  private awake(task: Task): void {
    if (!this.waiting.delete(task)) return
    for (const key of task.waitsFor) this.outstanding.get(key)?.delete(task)
    task.waitsFor.clear()
    task.trials.clear()
    this.ready.push(task)
  }

  /** Attributes that the next sweep tries. */
  get pending(): number {
    return this.ready.length
  }

  progress(): SessionProgress {
    return { attributesDone: this.done, attributesWaiting: this.waiting.size + this.ready.length, needsOutstanding: this.announced.size - this.answered.size }
  }

  private try(task: Task): void {
    this.current = task
    const children: Task[] = []
    this.evaluator.recall.again = task.width > 0
    const outcome = attempt(task.history, () => this.visit(task, children))
    this.current = undefined
    switch (outcome.kind) {
      case 'suspended':
        task.width = outcome.needs.length
        task.met = 0
        return this.park(task, outcome)
      case 'failed': {
        this.done++
        return this.fail(task, outcome.error)
      }
      case 'value':
        this.done++
        for (const { level, text } of task.history.held) this.emit({ kind: 'trace', level, text })
        if (this.share === undefined) for (const child of children.reverse()) this.ready.push(child)
        else if (children.length > 0) this.share.children(children.map(placeOf))
    }
  }

  private newTask(path: readonly string[], slot: Slot, root: number, depth: number): Task {
    return taskOf(path, slot, this.calledOf(slot), root, depth)
  }

  /** The slot's value, called if it is a function. */
  private calledOf(slot: Slot): Slot {
    return this.root?.call(slot) ?? new Thunk({ location: undefined, run: () => autoCall(requestArguments(this.evaluator, this.request), slot) }, undefined)
  }

  /** Tries a part of a waiting task, then the part around it, as far as that has all it waited for. */
  private tryAhead(task: Task, first: Trial): void {
    for (let trial: Trial | undefined = first; this.waiting.has(task); trial = trial.group.parent) {
      if (trial === undefined) return this.awake(task)
      this.current = task
      this.evaluator.recall.again = true
      const found = tryAhead(task.history, trial)
      this.current = undefined
      this.park(task, found)
      if (trial.group.pending > 0) return
    }
  }

  private park(task: Task, { needs, trials }: Waiting): void {
    for (const [key, more] of trials) {
      const before = task.trials.get(key)
      task.trials.set(key, before === undefined ? more : [...before, ...more])
    }
    for (const need of needs) {
      // One that was answered before and still suspends is asked for again: the EvalIO lost it.
      if (this.answered.delete(need.key) || !this.announced.has(need.key)) this.fresh.push(need)
      this.announced.add(need.key)
      task.waitsFor.add(need.key)
      const tasks = this.outstanding.get(need.key)
      if (tasks === undefined) this.outstanding.set(need.key, new Set([task]))
      else tasks.add(task)
    }
    this.waiting.add(task)
  }

  /** Evaluates what a task stands for; emits a job, or finds more tasks. */
  private visit(task: Task, children: Task[]): void {
    if (this.request.source.kind === 'derivations' && typeof task.slot === 'string') {
      this.emit({ kind: 'job', job: jobOfDerivation(this.evaluator, task.path, task.slot) })
      return
    }
    const value = force(task.called)
    if (isDerivation(value)) {
      const { job, constituents } = describeJob(this.evaluator, task.path, value, { meta: this.jobs.meta, apply: this.jobs.apply === undefined ? undefined : (this.applied ??= this.evaluator.evaluateText(this.jobs.apply, '/')) })
      if (constituents !== undefined && constituents.names.length > 0 && this.jobs.keepAggregates !== true) {
        this.aggregates.push({ job, constituents })
        this.share?.aggregate(placeOf(task))
        return
      }
      this.drvPaths.set(job.attr, job.drvPath)
      this.emit({ kind: 'job', job })
      return
    }
    if (value instanceof Attributes) {
      if (task.depth > 0 && this.jobs.forceRecurse !== true && !recursesInto(value)) return
      value.layout.names.forEach((name, i) => {
        if (name !== 'recurseForDerivations' && name !== '__recurseIntoAttrs') children.push(this.newTask([...task.path, name], value.values[i]!, task.root, task.depth + 1))
      })
      return
    }
    if (isList(value)) {
      value.forEach((element, i) => children.push(this.newTask([...task.path, String(i)], element, task.root, task.depth + 1)))
      return
    }
    // Sets of packages hold much that is no package; what was asked for by name must be one.
    if (task.depth === 0) throw new EvaluationError('type', 'expression does not evaluate to a derivation (or a set or list of those)')
    if (value !== null && this.request.recurse && task.depth === 1 && this.jobs.ignoreOthers !== true) throw new EvaluationError('type', `attribute '${showAttributePath(task.path)}' is ${showType(value)}, which is not supported`)
  }

  private fail(task: Task, error: EvaluationError): void {
    const message = textOfByteString(showError(error, this.settings.showTrace))
    const position = positionOf(error)
    if (task.path.length === 0 && this.request.attributes.length === 0 && task.depth === 0) {
      this.finished = true
      this.emit({ kind: 'finished', error: { message, ...(position !== undefined && { position }) } })
      return
    }
    const attrPath = task.path.map(textOfByteString)
    this.emit({ kind: 'job-error', attr: showAttributePath(attrPath), attrPath, message, ...(position !== undefined && { position }), needs: error.needs })
  }

  private finish(): void {
    this.finished = true
    for (const resolved of resolveAggregates(this.evaluator, this.aggregates, this.drvPaths)) {
      if (resolved.kind === 'job') this.emit({ kind: 'job', job: resolved.job })
      else this.emit({ kind: 'job-error', attr: resolved.attr, attrPath: resolved.attrPath, message: resolved.message, needs: [] })
    }
    this.emit({ kind: 'finished' })
  }

  /** Takes what the evaluator traces, and shows it now, later or never. */
  trace(level: 'trace' | 'warn', text: string): void {
    const recorded = noteTrace(level, text)
    if (recorded === 'held') return
    if (recorded === 'shown' && this.wasShown(level, text)) return
    this.emit({ kind: 'trace', level, text })
  }

  /** Whether this is work done again, of what is tried or of the value as a whole that was prepared. */
  private wasShown(level: 'trace' | 'warn', text: string): boolean {
    const prepared = this.share === undefined || this.current === undefined ? undefined : this.roots[this.current.root]
    return this.current?.history.shows(level, text) === false || (prepared !== this.current && prepared?.history.shows(level, text) === false)
  }
}

function positionOf(error: EvaluationError): SourcePosition | undefined {
  const [location] = error.locations
  if (location === undefined) return undefined
  const { line, column } = location.place
  return { file: textOfByteString(originName(location.source)), line, column }
}
