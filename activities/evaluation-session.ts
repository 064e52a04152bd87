/**
 * Ring: activities. One evaluator process and all it says: content into the store, jobs and demands into Postgres, needs into nodes,
 * outcomes into answers. Upstream counterpart: hydra-eval-jobs' coordinator, which has no needs to answer.
 *
 * The session may outlive the activity that made it: parked, its process waits on its standard input and computes nothing, until an
 * activity of the same worker goes on with it.
 */
import { asFirnError, FirnError } from '../contract/errors.ts'
import type { EvaluationRequest, EvaluationSettings, EvaluatorMessage } from '../contract/evaluations.ts'
import type { EvaluatorHandle } from '../evaluator/spawn.ts'
import {
  type FailedJob, readJournal, recordEvaluated, recordEvaluationEvents, recordFatalError, recordJobErrors, recordJobs, recordJournal, recordProgress, setEvaluationState,
} from '../state/evaluations.ts'
import { rememberFetches } from '../state/nodes.ts'
import { parseStorePath } from '../nix/store-path.ts'
import type { FetchRequest } from '../contract/fetch.ts'
import { beginNodes } from './begin-nodes.ts'
import type { Dependencies } from './dependencies.ts'
import type { ContentKeeper } from './evaluation-content.ts'
import { NeedKeeper } from './evaluation-needs.ts'
import { PlanMemory } from './graph.ts'
import { type EvaluatorPool, isKept, poolKey } from './evaluator-pool.ts'

/** How long an evaluation that only waits keeps its slot: short imports are answered without the cost of parking. */
const LINGER_MILLISECONDS = 2000
/** How long it waits or computes before that is told: less is no news, and telling would compete with the start of the build that is waited for. */
const QUIET_MILLISECONDS = 100
/** How often outstanding nodes are looked at, in case a notification was lost. */
const LOOK_MILLISECONDS = 2000
const PROGRESS_MILLISECONDS = 500
/** Messages handled at a time; enough to fill a batch, few enough that needs among them don't wait long. */
const BATCH = 2000
const INBOX = 20_000

export type SessionEnd = 'finished' | 'parked'

type Message<Kind extends EvaluatorMessage['kind']> = EvaluatorMessage & { readonly kind: Kind }

export class EvaluationSession {
  readonly evaluationId: number
  readonly #parts: Dependencies
  readonly #content: ContentKeeper
  readonly #request: EvaluationRequest
  readonly #settings: EvaluationSettings
  readonly #memory = new PlanMemory()
  readonly #needs: NeedKeeper
  readonly #pool: EvaluatorPool
  #process: EvaluatorHandle | undefined
  #inbox: EvaluatorMessage[] = []
  #wake: () => void = () => undefined
  #deaths = 0
  #ended: { readonly description: string } | undefined
  #idle = false
  #found: string[] = []
  #progress: Record<string, unknown> = {}
  /** There is more to tell than was written. */
  #progressed = false
  #progressAt = 0
  #busySeconds = 0

  constructor(parts: Dependencies, content: ContentKeeper, pool: EvaluatorPool, evaluationId: number, request: EvaluationRequest, settings: EvaluationSettings) {
    this.#parts = parts
    this.#content = content
    this.#pool = pool
    this.evaluationId = evaluationId
    this.#request = request
    this.#settings = settings
    this.#needs = new NeedKeeper(parts, evaluationId, this.#memory, () => this.#wake())
  }

  /** Nodes that the evaluator waits for. */
  get waitingFor(): readonly string[] {
    return this.#needs.nodes
  }

  /** Runs until all jobs are known, or until only nodes are left to wait for. */
  async run(signal: AbortSignal): Promise<SessionEnd> {
    const { database: { db } } = this.#parts
    let told: 'evaluating' | 'waiting' = 'evaluating'
    await setEvaluationState(db, this.evaluationId, told)
    /** Since when it does something else than was told. */
    let changedAt: number | undefined
    if (this.#process) await this.#needs.look()
    let idleSince: number | undefined
    let lookAt = Date.now() + LOOK_MILLISECONDS
    for (;;) {
      signal.throwIfAborted()
      if (!this.#process) await this.#start()
      const state = this.#idle ? 'waiting' : 'evaluating'
      changedAt = state === told ? undefined : changedAt ?? Date.now()
      if (changedAt !== undefined && Date.now() >= changedAt + QUIET_MILLISECONDS) {
        told = state
        await this.#writeProgress()
        await setEvaluationState(db, this.evaluationId, told)
      }
      if (this.#inbox.length > 0) {
        const batch = this.#inbox.splice(0, BATCH)
        const finished = await this.#handle(batch, signal)
        if (finished) return await this.#finish(finished)
        idleSince = undefined
        continue
      }
      if (this.#needs.ready) {
        const answers = await this.#needs.takeAnswers()
        if (answers.length > 0) {
          this.#idle = false
          idleSince = undefined
          await this.#process?.send({ kind: 'answers', answers })
        }
        continue
      }
      if (this.#ended) {
        await this.#recover(this.#ended.description)
        continue
      }
      if (this.#idle) idleSince ??= Date.now()
      if (Date.now() >= lookAt) {
        lookAt = Date.now() + LOOK_MILLISECONDS
        await this.#needs.look()
        if (this.#progressed) await this.#writeProgress()
        continue
      }
      // what this process downloads itself needs it to stay
      const parkAt = this.#idle && idleSince !== undefined && this.#needs.inProcess === 0 && this.#needs.nodes.length > 0 ? idleSince + LINGER_MILLISECONDS : undefined
      if (parkAt !== undefined && Date.now() >= parkAt) return 'parked'
      await this.#sleep(Math.min(lookAt, changedAt === undefined ? lookAt : changedAt + QUIET_MILLISECONDS, parkAt ?? lookAt) - Date.now(), signal)
    }
  }

  /** Ends the process, if there is one, and gives back what it held. */
  close(): void {
    const process = this.#process
    this.#process = undefined
    process?.stop().catch((error: unknown) => this.#parts.logger.warn({ error, evaluation: this.evaluationId }, 'could not stop an evaluator'))
    this.#needs.close()
  }

  async #start(): Promise<void> {
    const { database: { db }, store, logger } = this.#parts
    const journal = await readJournal(db, this.evaluationId)
    this.#inbox = []
    this.#idle = false
    this.#ended = undefined
    this.#found = []
    this.#needs.reset()
    const kept = this.#pool.take(poolKey(this.#request, this.#settings))
    const process = kept ?? this.#pool.fresh()
    this.#process = process
    void this.#listen(process)
    await process.send({ kind: 'start', request: this.#request, settings: this.#settings, localStore: store.local.directory, journal, keep: isKept(this.#request) })
    logger.debug({ evaluation: this.evaluationId, process: process.processId }, kept === undefined ? 'an evaluator was started' : 'an evaluator goes on with what it knows')
  }

  /** Takes what a process says until it is gone; one that says more than is worked off waits. */
  async #listen(process: EvaluatorHandle): Promise<void> {
    let description = 'it ended without having finished'
    try {
      for await (const message of process.messages) {
        if (this.#process !== process) continue
        this.#inbox.push(message)
        this.#wake()
        if (message.kind === 'finished') return
        while (this.#inbox.length > INBOX && this.#process === process) await new Promise((resolve) => setTimeout(resolve, 5))
      }
      await process.ended
    } catch (error) {
      description = asFirnError(error).message
    }
    if (this.#process !== process) return
    this.#ended = { description }
    this.#wake()
  }

  /** The process died. It begins anew and agrees with the first, since what differs from moment to moment is journalled. */
  async #recover(description: string): Promise<void> {
    this.#deaths++
    this.#process = undefined
    const { settings, logger, database: { db } } = this.#parts
    if (this.#deaths >= settings.evaluator.attempts) {
      this.#needs.reset()
      throw new FirnError('limit', `the evaluator died ${this.#deaths} time${this.#deaths === 1 ? '' : 's'}: ${description}`)
    }
    logger.warn({ evaluation: this.evaluationId, description }, 'an evaluator died and is started again')
    await recordEvaluationEvents(db, this.evaluationId, [{ kind: 'evaluation.restarted', data: { description } }])
  }

  /** Makes a batch of messages true, content before what refers to it. Gives the last message if it is among them. */
  async #handle(batch: readonly EvaluatorMessage[], signal: AbortSignal): Promise<Message<'finished'> | undefined> {
    const of = <Kind extends EvaluatorMessage['kind']>(...kinds: Kind[]): Message<Kind>[] => batch.filter((message): message is Message<Kind> => (kinds as string[]).includes(message.kind))
    const { database: { db } } = this.#parts
    const { priority } = this.#request

    const fetches = new Map<string, FetchRequest>(of('known-fetch').map((message) => [parseStorePath(message.storePath).baseName, message.request]))
    await Promise.all([
      this.#content.keep(of('source'), of('text', 'derivation'), signal),
      rememberFetches(db, fetches),
      recordJournal(db, this.evaluationId, new Map(of('journal').map((message) => [message.key, message.value]))),
    ])
    const needs = of('needs').flatMap((message) => message.needs)
    if (needs.length > 0) await this.#needs.add(needs, priority, signal)
    const jobs = of('job')
    if (jobs.length > 0) await this.#takeJobs(jobs)
    const errors = of('job-error').map((message): FailedJob => ({
      attr: message.attr, attrPath: message.attrPath, message: message.message, throughImport: message.needs.length > 0, ...(message.position ? { position: message.position } : {}),
    }))
    await recordJobErrors(db, this.evaluationId, errors)
    for (const message of [...jobs.map(({ job }) => job), ...errors]) this.#found.push(message.attr)
    await recordEvaluationEvents(db, this.evaluationId, of('trace').map(({ level, text }) => ({ kind: 'evaluation.trace', data: { level, text: text.replaceAll('\0', '\uFFFD').slice(0, 10_000) } })))
    for (const { kind: _, ...progress } of of('progress')) {
      this.#progress = { ...progress }
      this.#progressed = true
    }
    this.#idle = batch.at(-1)?.kind === 'idle'
    if (of('progress').length > 0 && !this.#idle && Date.now() - this.#progressAt > PROGRESS_MILLISECONDS) await this.#writeProgress()
    return of('finished')[0]
  }

  async #takeJobs(messages: readonly Message<'job'>[]): Promise<void> {
    const { database: { db }, planner } = this.#parts
    const { priority, dryRun } = this.#request
    const jobs = messages.map(({ job }) => job)
    const wants = jobs.map((job) => ({ kind: 'derivation' as const, drvPath: job.drvPath, outputs: Object.keys(job.outputs) }))
    const plan = await planner.plan(wants, { priority, evaluationId: this.evaluationId, registerValid: true }, this.#memory)
    await recordJobs(db, this.evaluationId, jobs.map((job, index) => ({ job, nodeKey: plan.wants[index]!.key, outputs: plan.wants[index]!.outputs })), { demand: !dryRun, priority })
    if (dryRun) return
    await beginNodes(this.#parts, plan, this.evaluationId)
  }

  async #finish(message: Message<'finished'>): Promise<SessionEnd> {
    const { database: { db }, figures } = this.#parts
    await this.#writeProgress()
    if (message.error) await recordFatalError(db, this.evaluationId, message.error.message, message.error.position)
    else await recordEvaluated(db, this.evaluationId, this.#found)
    figures.evaluations.busy.inc(this.#busySeconds)
    figures.evaluations.attributes.inc(this.#found.length)
    const process = this.#process
    if (process !== undefined && message.error === undefined && isKept(this.#request)) {
      this.#process = undefined
      this.#pool.give(poolKey(this.#request, this.#settings), process)
    }
    this.close()
    return 'finished'
  }

  async #writeProgress(): Promise<void> {
    this.#progressAt = Date.now()
    this.#progressed = false
    const busy = this.#progress['busySeconds']
    if (typeof busy === 'number') this.#busySeconds = busy
    await recordProgress(this.#parts.database.db, this.evaluationId, { ...this.#progress, imports: this.#needs.imports, needsOutstanding: this.#needs.nodes.length + this.#needs.inProcess })
  }

  /** Until something happens, or for some milliseconds. */
  async #sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    if (this.#inbox.length > 0 || this.#needs.ready || this.#ended) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, Math.max(0, milliseconds))
      const wake = this.#wake
      function done(): void {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#wake = () => {
        this.#wake = wake
        done()
      }
      signal.addEventListener('abort', done, { once: true })
    })
  }
}

/** The settings of an evaluation: the farm's, and on top what the request asks for. */
export function evaluationSettings(parts: Pick<Dependencies, 'settings'>, request: EvaluationRequest): EvaluationSettings {
  const { evaluator } = parts.settings
  return {
    currentSystem: evaluator.system, nixVersion: evaluator.nixVersion, mode: evaluator.mode, allowedUris: evaluator.allowedUris, allowedPaths: evaluator.allowedPaths,
    searchPath: [], allowImportFromDerivation: true, showTrace: false, ...request.settings,
  }
}

/** Whether an error of a session is one that ends the evaluation, rather than a fault to be tried again. */
export function isFinal(error: unknown): boolean {
  return ['limit', 'invalid-input', 'conflict', 'not-found', 'missing-requirement'].includes(asFirnError(error).kind)
}
