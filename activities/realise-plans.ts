/**
 * Ring: activities. Where a node's realisation goes: the task queue of whoever can do it, how long it may wait there, and its turn among
 * others. Upstream counterpart: Hydra's machine types and its choice of a machine for a step.
 */
import type { Settings } from '../config/settings.ts'
import { buildQueue, FETCH_QUEUE } from '../contract/queues.ts'
import type { RealisePlan } from '../contract/workflows.ts'
import type { Database } from '../state/database.ts'
import { sharesOf } from '../state/jobsets.ts'
import type { NodeRow } from '../state/nodes.ts'
import { type Service, serviceOf } from '../state/workers.ts'

/** How long an answer about workers is good for. */
const SERVICE_MILLISECONDS = 2000

/** How long a jobset's shares are believed; a change has its effect on what is planned after that. */
const SHARES_MILLISECONDS = 10_000
const REMEMBERED = 1000
/** Shares that a jobset has by default: one turn of everybody's. */
const USUAL_SHARES = 100

/** With whom a node takes turns, and how many. */
type Turns = Pick<RealisePlan, 'fairnessKey' | 'fairnessWeight'>

/** What a plan depends on. */
export type Plannable = Pick<NodeRow, 'kind' | 'substitutable' | 'system' | 'features' | 'priority'>

export class RealisePlanner {
  readonly #db: Database
  readonly #limits: Settings['limits']
  readonly #services = new Map<string, { readonly service: Promise<Service>; readonly until: number }>()

  readonly #turns = new Map<number, { readonly turns: Promise<Turns>; readonly until: number }>()

  constructor(db: Database, limits: Settings['limits']) {
    this.#db = db
    this.#limits = limits
  }

  /** `evaluationId`: the first evaluation that wanted it. Its jobset's nodes share their turns; a submission has turns of its own. */
  async planOf(node: Plannable, evaluationId: number | null): Promise<RealisePlan> {
    const turns = evaluationId === null ? { fairnessKey: '' } : await this.#turnsOf(evaluationId)
    if (node.kind === 'fetch' || node.substitutable) return { queue: FETCH_QUEUE, workerWaitSeconds: 0, priority: node.priority, ...turns }
    const { live, known } = await this.#service(node.system, node.features)
    const { workerWaitSeconds, idleWorkerWaitSeconds } = this.#limits
    return {
      queue: buildQueue(node.system, node.features),
      // while somebody serves it, it may wait as long as the queue is
      workerWaitSeconds: live ? 0 : known ? workerWaitSeconds : idleWorkerWaitSeconds,
      priority: node.priority,
      ...turns,
    }
  }

  async #turnsOf(evaluationId: number): Promise<Turns> {
    const known = this.#turns.get(evaluationId)
    if (known && known.until > Date.now()) return await known.turns
    const turns = sharesOf(this.#db, evaluationId).then((jobset): Turns => (jobset
      ? { fairnessKey: `jobset-${jobset.jobsetId}`, fairnessWeight: jobset.shares / USUAL_SHARES }
      : { fairnessKey: `evaluation-${evaluationId}` }))
    if (this.#turns.size >= REMEMBERED) this.#turns.clear()
    this.#turns.set(evaluationId, { turns, until: Date.now() + SHARES_MILLISECONDS })
    turns.catch(() => this.#turns.delete(evaluationId))
    return await turns
  }

  async #service(system: string, features: readonly string[]): Promise<Service> {
    const queue = buildQueue(system, features)
    const known = this.#services.get(queue)
    if (known && known.until > Date.now()) return await known.service
    const service = serviceOf(this.#db, system, features)
    this.#services.set(queue, { service, until: Date.now() + SERVICE_MILLISECONDS })
    service.catch(() => this.#services.delete(queue))
    return await service
  }
}
