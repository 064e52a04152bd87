/**
 * Ring: activities. Evaluations: the activity that supervises an evaluator's process, and the small ones around it. Upstream
 * counterpart: hydra-evaluator.
 */
import type { EvaluationActivities, EvaluateResult, EvaluationInput } from '../contract/workflows.ts'
import { evaluationWorkflowId } from '../contract/queues.ts'
import type { Settings } from '../config/settings.ts'
import { asFirnError } from '../contract/errors.ts'
import type { EvaluationRequest, FoundJob } from '../contract/evaluations.ts'
import { STORE_DIRECTORY } from '../nix/store-path.ts'
import {
  endEvaluation, getEvaluation, jobDerivations, type RecordedJob, recordEvaluated, recordFatalError, recordJobErrors, recordJobs, setEvaluationState, unfinishedJobNodes,
} from '../state/evaluations.ts'
import { wakeJobset } from '../state/triggers.ts'
import { beginNodes } from './begin-nodes.ts'
import { registerWaiter } from '../state/waiters.ts'
import type { KnownDerivation } from './derivations.ts'
import { PlanMemory } from './graph.ts'
import type { Dependencies } from './dependencies.ts'
import { ContentKeeper } from './evaluation-content.ts'
import { evaluationSettings, EvaluationSession, isFinal } from './evaluation-session.ts'
import { SharedEvaluator } from '../evaluator/shared/handle.ts'
import { type EvaluatorHandle, spawnEvaluator } from '../evaluator/spawn.ts'
import { EvaluatorPool } from './evaluator-pool.ts'
import { withKinds } from './faults.ts'
import { whileBeating } from './heartbeats.ts'
import { Semaphore } from './semaphore.ts'

/** Evaluators of this worker that wait for nodes, and everything else that evaluations of one worker share. */
export class Evaluations {
  readonly #parts: Dependencies
  readonly #residentQueue: string
  readonly #content: ContentKeeper
  readonly #pool: EvaluatorPool
  readonly #slots: Semaphore
  readonly #resident = new Map<number, { readonly session: EvaluationSession; readonly timer: NodeJS.Timeout }>()

  constructor(parts: Dependencies, residentQueue: string) {
    this.#parts = parts
    this.#residentQueue = residentQueue
    this.#content = new ContentKeeper(parts.store, parts.derivations)
    const { worker, evaluator } = parts.settings
    this.#pool = new EvaluatorPool({ limit: worker.evaluationSlots, seconds: evaluator.residentSeconds, spawn: ({ warmUp }) => spawnEvaluators(evaluator, warmUp) })
    if (worker.roles.includes('evaluate')) this.#pool.prepare()
    this.#slots = new Semaphore(parts.settings.worker.evaluationSlots)
  }

  activities(): Pick<EvaluationActivities, 'evaluate'> {
    return {
      evaluate: (input) => whileBeating(this.#parts.running, `evaluation:${input.evaluationId}`, async (signal) => {
        const giveBack = await this.#slots.acquire(signal)
        try {
          return await this.#evaluate(input, signal)
        } finally {
          giveBack()
        }
      }),
    }
  }

  /** Ends a parked evaluator that nobody will go on with. */
  drop(evaluationId: number): void {
    const resident = this.#resident.get(evaluationId)
    if (!resident) return
    clearTimeout(resident.timer)
    this.#resident.delete(evaluationId)
    resident.session.close()
  }

  /** Evaluations that are parked here. */
  parked(): number[] {
    return [...this.#resident.keys()]
  }

  close(): void {
    for (const id of this.parked()) this.drop(id)
    this.#pool.close()
  }

  async #evaluate({ evaluationId }: EvaluationInput, signal: AbortSignal): Promise<EvaluateResult> {
    const { database: { db } } = this.#parts
    const evaluation = await getEvaluation(db, evaluationId)
    if (!evaluation || evaluation.endedAt) {
      this.drop(evaluationId)
      return { kind: 'finished' }
    }
    if (evaluation.evaluatedAt) {
      await this.#demandAgain(evaluationId, evaluation.request.priority, evaluation.request.dryRun)
      return { kind: 'finished' }
    }
    const { source } = evaluation.request
    if (source.kind === 'derivations') {
      await this.#demandDerivations(evaluationId, source.drvPaths, evaluation.request)
      return { kind: 'finished' }
    }
    const session = this.#take(evaluationId) ?? new EvaluationSession(this.#parts, this.#content, this.#pool, evaluationId, evaluation.request, evaluationSettings(this.#parts, evaluation.request))
    let parked = false
    try {
      const end = await session.run(signal)
      if (end === 'finished') return { kind: 'finished' }
      const waiter = await registerWaiter(db, evaluationWorkflowId(evaluationId), 'any', session.waitingFor)
      parked = true
      this.#park(evaluationId, session)
      return { kind: 'parked', residentQueue: this.#residentQueue, waiter: waiter ?? 0 }
    } catch (error) {
      signal.throwIfAborted()
      if (!isFinal(error)) throw error
      await recordFatalError(db, evaluationId, (error as Error).message)
      return { kind: 'finished' }
    } finally {
      if (!parked) session.close()
      this.#pool.prepare()
    }
  }

  /** An evaluation of derivations that are there already needs no evaluator. */
  async #demandDerivations(evaluationId: number, drvPaths: readonly string[], request: EvaluationRequest): Promise<void> {
    const { database: { db }, planner, derivations } = this.#parts
    await setEvaluationState(db, evaluationId, 'evaluating')
    const jobs: RecordedJob[] = []
    const begin = new Set<string>()
    const ready = new Set<string>()
    const memory = new PlanMemory()
    for (const drvPath of drvPaths) {
      try {
        const known = await derivations.readOne(drvPath)
        const { wants: [planned], ...below } = await planner.plan([{ kind: 'derivation', drvPath, outputs: Object.keys(known.outputs) }], { priority: request.priority, evaluationId, registerValid: true }, memory)
        jobs.push({ job: jobOf(known), nodeKey: planned!.key, outputs: planned!.outputs })
        for (const key of below.begin) begin.add(key)
        for (const key of below.ready) ready.add(key)
      } catch (error) {
        const { kind, message } = asFirnError(error)
        if (!['not-found', 'invalid-input'].includes(kind)) throw error
        await recordJobErrors(db, evaluationId, [{ attr: drvPath, attrPath: [drvPath], message, throughImport: false }])
      }
    }
    await recordJobs(db, evaluationId, jobs, { demand: !request.dryRun, priority: request.priority })
    await recordEvaluated(db, evaluationId, drvPaths)
    if (request.dryRun) return
    await beginNodes(this.#parts, { begin: [...begin], ready }, evaluationId)
  }

  #park(evaluationId: number, session: EvaluationSession): void {
    const { settings, logger } = this.#parts
    const timer = setTimeout(() => {
      logger.info({ evaluation: evaluationId }, 'an evaluator that waited for long gives its memory back')
      this.drop(evaluationId)
    }, settings.evaluator.residentSeconds * 1000)
    timer.unref()
    this.#resident.set(evaluationId, { session, timer })
  }

  #take(evaluationId: number): EvaluationSession | undefined {
    const resident = this.#resident.get(evaluationId)
    if (!resident) return undefined
    clearTimeout(resident.timer)
    this.#resident.delete(evaluationId)
    return resident.session
  }

  /** An evaluation whose jobs are all known, taken up again: after a retry, or with a Temporal that knows nothing of it. */
  async #demandAgain(evaluationId: number, priority: number, dryRun: boolean): Promise<void> {
    if (dryRun) return
    const { database: { db }, planner } = this.#parts
    const jobs = await jobDerivations(db, evaluationId)
    const plan = await planner.plan(jobs.map((job) => ({ kind: 'derivation', ...job })), { priority, evaluationId, registerValid: true })
    await beginNodes(this.#parts, plan, evaluationId)
  }
}

function spawnEvaluators({ processes, memoryBytes }: Settings['evaluator'], warmUp: boolean): EvaluatorHandle {
  const memoryMegabytes = Math.floor(memoryBytes / 1024 ** 2)
  if (processes === 1) return spawnEvaluator({ warmUp, memoryMegabytes })
  return new SharedEvaluator({ processes, spawn: (isFirst) => spawnEvaluator({ warmUp: warmUp && isFirst, memoryMegabytes }) })
}

function jobOf({ drvPath, derivation, outputs, options }: KnownDerivation): FoundJob {
  return {
    attr: drvPath, attrPath: [drvPath], name: derivation.name, system: derivation.system, drvPath,
    outputs: Object.fromEntries(Object.entries(outputs).map(([name, base]) => [name, base === null ? null : `${STORE_DIRECTORY}/${base}`])),
    inputDrvs: Object.fromEntries(derivation.inputDerivations), requiredSystemFeatures: options.requiredSystemFeatures,
  }
}

/** The local activities of the evaluation workflow. */
export function settleActivities(parts: Pick<Dependencies, 'database' | 'figures' | 'motion'>): Pick<EvaluationActivities, 'settleEvaluation' | 'failEvaluation'> {
  const { database: { db }, figures, motion } = parts
  return {
    settleEvaluation: ({ evaluationId }) => withKinds(async () => {
      const evaluation = await getEvaluation(db, evaluationId)
      if (!evaluation || evaluation.endedAt) return { kind: 'ended' }
      const unfinished = await unfinishedJobNodes(db, evaluationId)
      if (unfinished.length > 0) {
        await setEvaluationState(db, evaluationId, 'building')
        const waiter = await registerWaiter(db, evaluationWorkflowId(evaluationId), 'all', unfinished)
        if (waiter !== undefined) return { kind: 'waiting', waiter }
      }
      figures.evaluations.ended.inc({ state: await endEvaluation(db, evaluationId) })
      await wakeJobset(db, motion, evaluation.jobsetId)
      return { kind: 'ended' }
    }),
    failEvaluation: ({ evaluationId }, { state, message }) => withKinds(async () => {
      await setEvaluationState(db, evaluationId, state, message)
      figures.evaluations.ended.inc({ state })
      await wakeJobset(db, motion, (await getEvaluation(db, evaluationId))?.jobsetId ?? null)
    }),
  }
}
