/**
 * Ring: eval. An EvalIO that notes what was asked of it, for the computation that asked, and can tell later which answers would be
 * others now. Decorates the real one, which says in a few characters what an answer was (`observe`).
 */
import type { FetchRequest, UnlockedFetch, UnlockedFetchResult } from '../contract/fetch.ts'
import { EvalIOError, NeedFailed, Suspended, type AddedDerivation, type EvalIO, type FileKind, type FileStatus, type Realised } from './io.ts'
import { depend, markChanged, newObservation, tracker, withBit, type Dependencies } from './runtime/dependencies.ts'

/**
 * `file`: content, links followed; `directory`: names and kinds; `status`: the kind, or that nothing is there; `link`: target; `tree`: all
 * that adding a path to the store reads; `present`: a store path can be read; `once`: an answer that holds for one evaluation.
 */
export type ObservationKind = 'file' | 'directory' | 'status' | 'link' | 'tree' | 'present' | 'environment' | 'time' | 'once'

export interface ObservableIO extends EvalIO {
  /** A text that stays the same as long as the answer does; undefined where it can't be relied on. `content` spares reading it again. */
  observe(kind: ObservationKind, subject: string, content?: Uint8Array): string | undefined
  /** What lies at this path isn't what was added to the store from there. */
  forgetSource(path: string): void
}

interface Observation {
  readonly id: number
  readonly kind: ObservationKind
  readonly subject: string
  answer: string | undefined
  /** Of a file that was read for what it means: whether another content means the same. */
  meansTheSame: ((content: Uint8Array) => boolean) | undefined
}

export class ObservedIO implements EvalIO {
  private readonly inner: ObservableIO
  private readonly observations = new Map<string, Observation>()
  private readonly traces = new Map<string, { readonly id: number; readonly level: 'trace' | 'warn'; readonly text: string; shown: number }>()

  constructor(inner: ObservableIO) {
    this.inner = inner
  }

  /** Begins another evaluation: marks what changed, and gives how much. `show` gets traces of what is used again. */
  refresh(show: (level: 'trace' | 'warn', text: string) => void): number {
    tracker.evaluation++
    let changed = 0
    for (const [key, observation] of this.observations) {
      const { id, kind, subject, answer } = observation
      if (answer !== undefined) {
        const now = this.inner.observe(kind, subject)
        if (now === answer || this.meansTheSame(observation, now)) continue
      }
      markChanged(id)
      this.observations.delete(key)
      if (kind === 'tree') this.inner.forgetSource(subject)
      changed++
    }
    tracker.onFirstUse = (dependencies) => this.showAgain(dependencies, show)
    return changed
  }

  /** Whether another content of a file is as good as the one before, for those who read it for what it means. */
  private meansTheSame(observation: Observation, now: string | undefined): boolean {
    const { subject, meansTheSame } = observation
    if (meansTheSame === undefined || now === undefined) return false
    try {
      const content = this.inner.readFile(subject)
      // it is being written, perhaps
      if (this.inner.observe('file', subject) !== now || !meansTheSame(content)) return false
    } catch (error) {
      if (error instanceof EvalIOError || error instanceof Suspended || error instanceof NeedFailed) return false
      throw error
    }
    observation.answer = now
    return true
  }

  /** A trace belongs to the value that was computed meanwhile: it is shown again in each evaluation that uses it. */
  noteTrace(level: 'trace' | 'warn', text: string): void {
    const key = `${level} ${text}`
    let trace = this.traces.get(key)
    if (trace === undefined) {
      this.traces.set(key, (trace = { id: newObservation(), level, text, shown: 0 }))
      tracker.announced = withBit(Int32Array.from(tracker.announced), trace.id)
    }
    trace.shown = tracker.evaluation
    depend(trace.id)
  }

  private showAgain(dependencies: Dependencies, show: (level: 'trace' | 'warn', text: string) => void): void {
    for (const trace of this.traces.values()) {
      if (trace.shown === tracker.evaluation || !dependencies.has(trace.id)) continue
      trace.shown = tracker.evaluation
      show(trace.level, trace.text)
    }
  }

  private note(kind: ObservationKind, subject: string, content?: Uint8Array, key = `${kind} ${subject}`): Observation | undefined {
    if (!tracker.on) return undefined
    let observation = this.observations.get(key)
    if (observation === undefined) {
      observation = { id: newObservation(), kind, subject, answer: this.inner.observe(kind, subject, content), meansTheSame: undefined }
      this.observations.set(key, observation)
    }
    depend(observation.id)
    return observation
  }

  /** Notes what was asked, unless the answer is still to come: then it will be asked for again. */
  private noted<T>(kind: ObservationKind, subject: string, ask: () => T): T {
    let answer: T
    try {
      answer = ask()
    } catch (error) {
      if (!(error instanceof Suspended)) this.note(kind, subject)
      throw error
    }
    this.note(kind, subject, answer instanceof Uint8Array ? answer : undefined)
    return answer
  }

  readFile(path: string): Uint8Array {
    return this.noted('file', path, () => this.inner.readFile(path))
  }

  readSource(path: string, name: string, meansTheSame: (content: Uint8Array) => boolean): Uint8Array {
    const key = `source ${path}\0${name}`
    try {
      const content = this.inner.readFile(path)
      const observation = this.note('file', path, content, key)
      // what was made of it before is out of reach, or it wouldn't be read again
      if (observation !== undefined) observation.meansTheSame = meansTheSame
      return content
    } catch (error) {
      if (!(error instanceof Suspended)) this.note('file', path, undefined, key)
      throw error
    }
  }

  readDirectory(path: string): ReadonlyMap<string, FileKind> {
    return this.noted('directory', path, () => this.inner.readDirectory(path))
  }

  status(path: string): FileStatus | undefined {
    return this.noted('status', path, () => this.inner.status(path))
  }

  readLink(path: string): string {
    return this.noted('link', path, () => this.inner.readLink(path))
  }

  environment(name: string): string | undefined {
    return this.noted('environment', name, () => this.inner.environment(name))
  }

  currentTime(): number {
    return this.noted('time', '', () => this.inner.currentTime())
  }

  addPath(request: Parameters<EvalIO['addPath']>[0]): string {
    return this.noted('tree', request.path, () => this.inner.addPath(request))
  }

  describeTree(path: string): { readonly narHash: string; readonly lastModified: number } {
    // the time of a tree is no part of its content
    this.note('once', path)
    return this.inner.describeTree(path)
  }

  realise(drvPath: string, outputs: readonly string[]): Realised {
    const realised = this.inner.realise(drvPath, outputs)
    for (const path of realised.paths ?? []) this.note('present', path)
    return realised
  }

  ensurePath(storePath: string): void {
    this.inner.ensurePath(storePath)
    this.note('present', storePath)
  }

  fetchUnlocked(request: UnlockedFetch): UnlockedFetchResult {
    return this.noted('once', `fetch ${request.url}`, () => this.inner.fetchUnlocked(request))
  }

  // What follows says the same for the same question always: contents are part of the names.
  addText(name: string, content: string, references: readonly string[]): string {
    return this.inner.addText(name, content, references)
  }

  addDerivation(derivation: AddedDerivation): void {
    this.inner.addDerivation(derivation)
  }

  readDerivation(drvPath: string): string {
    return this.inner.readDerivation(drvPath)
  }

  references(storePath: string): readonly string[] | undefined {
    return this.inner.references?.(storePath)
  }

  mentionFetch(storePath: string, request: FetchRequest): void {
    this.inner.mentionFetch(storePath, request)
  }

  trace(level: 'trace' | 'warn', text: string): void {
    this.inner.trace(level, text)
  }
}
