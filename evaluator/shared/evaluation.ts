/**
 * Ring: evaluator. One evaluation that several processes share: who gets which attribute, what is told to the supervisor and how often, and when
 * all is done. Upstream counterpart: the collector of nix-eval-jobs.
 */
import { performance } from 'node:perf_hooks'
import type { DerivationHash } from '../../nix/derivation-hash.ts'
import type { EvaluatorMessage, JobPlace, NeedAnswer, ShareStart, SupervisorMessage } from '../../contract/evaluations.ts'
import type { Member } from './member.ts'
import { SharedNeeds } from './needs.ts'
import { JobQueue, type Memory } from './queue.ts'
import { SharedTraces } from './traces.ts'

type Start = Extract<SupervisorMessage, { readonly kind: 'start' }>
type Message<Kind extends EvaluatorMessage['kind']> = Extract<EvaluatorMessage, { readonly kind: Kind }>

/** Which process had an attribute in the evaluation before, and how long that took it at most, by the attribute's place. */
export type Memories = ReadonlyMap<string, Memory>

export interface SharedEvaluationOptions {
  readonly start: Start
  /** Those that are there; `join` adds others. */
  readonly members: readonly Member[]
  /** How many there may be. */
  readonly processes: number
  readonly memories: Memories
  readonly emit: (message: EvaluatorMessage) => void
  /** Enough waits for another process. */
  readonly enlarge: () => void
  /** Nothing more comes. */
  readonly ended: (memories: Memories) => void
  readonly worth: Worth
}

/** When another process is worth its start: with so much left after so long; at once where that is 0. */
export interface Worth {
  readonly attributes: number
  readonly milliseconds: number
}

const PROGRESS_MILLISECONDS = 200
/** For so long nobody takes what is in the memory of another: some times what an evaluation takes in which little has changed. */
const OWN_MILLISECONDS = 500

export class SharedEvaluation {
  private readonly options: SharedEvaluationOptions
  private readonly members: Member[]
  private readonly queue: JobQueue<JobPlace>
  private readonly needs = new SharedNeeds<Member>()
  private readonly traces = new SharedTraces<Member>()
  private readonly journal = new Set<string>()
  private readonly memories = new Map<string, Memory>()
  private readonly jobs: { readonly attr: string; readonly drvPath: string; readonly member: Member }[] = []
  private readonly aggregates: { readonly place: JobPlace; readonly member: Member }[] = []
  /** Once all jobs but aggregates are known: hashes of derivations that one process needs of the others, and whether it was told. */
  private conclusion: { readonly member: Member; readonly hashes: Map<string, DerivationHash>; readonly asked: Map<Member, readonly string[]>; told: boolean; repeated: number } | undefined
  private readonly time = Math.floor(Date.now() / 1000)
  private readonly begun = performance.now()
  private progressAt = 0
  /** Whether all may take all. */
  private isOpen = false
  private readonly opening: NodeJS.Timeout

  constructor(options: SharedEvaluationOptions) {
    this.options = options
    this.members = [...options.members]
    this.queue = new JobQueue(options.processes, (place) => options.memories.get(keyOf(place)))
    const { source, attributes } = options.start.request
    const roots = source.kind === 'derivations' ? source.drvPaths.length : Math.max(1, attributes.length)
    this.queue.add(0, Array.from({ length: roots }, (_, root) => ({ root, names: [] })))
    this.opening = setTimeout(() => {
      this.isOpen = true
      // one that has nothing may have waited for this
      this.giveAll()
    }, OWN_MILLISECONDS)
    // while the first looks for what there is, the others read the same files
    for (const member of this.members) member.start(this.startOf(member.number > 0))
    this.giveAll()
  }

  join(member: Member): void {
    this.members.push(member)
    member.start(this.startOf(false))
    this.giveTo(member)
  }

  private startOf(prepare: boolean): Start {
    const share: ShareStart = { time: this.time, prepare, answers: this.needs.known }
    return { ...this.options.start, share }
  }

  answer(answers: readonly NeedAnswer[]): void {
    this.needs.answer(answers)
    // who didn't ask may come to it, and then needn't wait
    for (const member of this.members) member.send({ kind: 'answers', answers })
  }

  receive(member: Member, message: EvaluatorMessage): void {
    const { emit } = this.options
    switch (message.kind) {
      case 'job':
        this.jobs.push({ attr: message.job.attr, drvPath: message.job.drvPath, member })
        return emit(message)
      case 'needs': return this.ask(member, message)
      case 'journal':
        if (this.journal.has(message.key)) return
        this.journal.add(message.key)
        return emit(message)
      case 'trace':
        if (this.traces.shows(member, message.level, message.text)) emit(message)
        return
      case 'report': return this.take(member, message)
      case 'hashes': return this.takeHashes(member, message)
      case 'finished': return this.finish(message)
      // of processes that are alone
      case 'progress':
      case 'idle':
      case 'ready': return
      default: emit(message)
    }
  }

  private ask(member: Member, message: Message<'needs'>): void {
    const { fresh, answers } = this.needs.ask(member, message.needs)
    if (fresh.length > 0) this.options.emit({ kind: 'needs', needs: fresh })
    if (answers.length > 0) member.send({ kind: 'answers', answers })
  }

  private take(member: Member, report: Message<'report'>): void {
    member.report(report)
    if (report.found.length > 0) this.queue.add(member.number, report.found)
    if (this.conclusion === undefined) for (const place of report.aggregates) this.aggregates.push({ place, member })
    for (const { place, milliseconds } of report.slow) this.remember(place, member, milliseconds)
    this.giveAll()
    const { processes, worth, enlarge } = this.options
    if (this.members.length < processes && this.queue.size >= worth.attributes && performance.now() - this.begun >= worth.milliseconds) enlarge()
    if (this.queue.size > 0 || !this.members.every((one) => one.isQuiet)) this.tellProgress(false)
    else if (this.members.some((one) => one.waiting > 0)) {
      this.tellProgress(true)
      this.options.emit({ kind: 'idle' })
    } else this.conclude()
  }

  private giveAll(): void {
    for (const member of this.members) this.giveTo(member)
  }

  private giveTo(member: Member): void {
    const places: JobPlace[] = []
    // of few left each gets some
    const fair = Math.ceil(this.queue.size / this.members.length)
    for (let wanted = Math.min(fair, member.wants(this.members.length === 1)); wanted > 0; wanted--) {
      const place = this.queue.take(member.number, !this.isOpen)
      if (place === undefined) break
      this.remember(place, member, 0)
      places.push(place)
    }
    if (places.length > 0) member.give(places)
  }

  /** The longest that it ever took counts: when little has changed nothing takes long. */
  private remember(place: JobPlace, { number: process }: Member, milliseconds: number): void {
    const key = keyOf(place)
    this.memories.set(key, { process, milliseconds: Math.max(milliseconds, this.memories.get(key)?.milliseconds ?? 0, this.options.memories.get(key)?.milliseconds ?? 0) })
  }

  /** All jobs but aggregates are known. One process completes those: it knows its own derivations, and is told the hashes of others. */
  private conclude(): void {
    if (this.conclusion?.told === true || this.aggregates.length === 0) return this.finish({ kind: 'finished' })
    if (this.conclusion !== undefined) return
    const count = (member: Member): number => this.aggregates.reduce((sum, one) => sum + (one.member === member ? 1 : 0), 0)
    const member = this.members.reduce((most, one) => (count(one) > count(most) ? one : most))
    const asked = new Map<Member, readonly string[]>()
    for (const other of this.members) {
      const drvPaths = [...new Set(this.jobs.flatMap((job) => (job.member === other ? [job.drvPath] : [])))]
      if (other !== member && drvPaths.length > 0) asked.set(other, drvPaths)
    }
    this.conclusion = { member, hashes: new Map(), asked, told: false, repeated: 0 }
    for (const [other, drvPaths] of asked) other.send({ kind: 'hash', drvPaths })
    if (asked.size === 0) this.tellConclusion()
  }

  private takeHashes(member: Member, { hashes }: Message<'hashes'>): void {
    const { conclusion } = this
    conclusion?.asked.get(member)?.forEach((drvPath, i) => conclusion.hashes.set(drvPath, hashes[i]!))
    conclusion?.asked.delete(member)
    if (conclusion?.asked.size === 0) this.tellConclusion()
  }

  private tellConclusion(): void {
    const conclusion = this.conclusion!
    const { member, hashes } = conclusion
    const aggregates = this.aggregates.flatMap((one) => (one.member === member ? [] : [one.place]))
    const jobs = this.jobs.flatMap(({ attr, drvPath, member: by }) => {
      const hash = hashes.get(drvPath)
      return by === member ? [] : [{ attr, drvPath, ...(hash && { hash }) }]
    })
    conclusion.told = true
    conclusion.repeated = aggregates.length
    member.conclude({ kind: 'conclude', aggregates, jobs })
  }

  private finish(message: Message<'finished'>): void {
    this.close()
    this.tellProgress(true)
    this.options.emit(message)
    this.options.ended(this.memories)
  }

  /** It is over, or the processes are. */
  close(): void {
    clearTimeout(this.opening)
  }

  private tellProgress(now: boolean): void {
    const { members } = this
    const at = performance.now()
    if (!now && at - this.progressAt < PROGRESS_MILLISECONDS) return
    this.progressAt = at
    const sum = (of: (member: Member) => number): number => members.reduce((total, member) => total + of(member), 0)
    this.options.emit({
      kind: 'progress', needsOutstanding: this.needs.count, busySeconds: sum((member) => member.busySeconds),
      attributesDone: sum((member) => member.done) - (this.conclusion?.repeated ?? 0), attributesWaiting: sum((member) => member.waiting + member.pending) + this.queue.size,
    })
  }
}

function keyOf({ root, names }: JobPlace): string {
  return [root, ...names].join('\0')
}
