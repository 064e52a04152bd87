/**
 * Ring: activities. Where a node's realisation goes: the task queue of whoever can do it, how long it may wait there, and its turn among
 * others. Upstream counterpart: Hydra's machine types and its choice of a machine for a step.
 */
import type { Settings } from '../config/settings.ts'
import { buildQueue, FETCH_QUEUE } from '../contract/queues.ts'
import type { RealisePlan } from '../contract/workflows.ts'
import type { Database } from '../state/database.ts'
import type { NodeRow } from '../state/nodes.ts'
import { type Service, serviceOf } from '../state/workers.ts'

/** How long an answer about workers is good for. */
const SERVICE_MILLISECONDS = 2000

/** What a plan depends on. */
export type Plannable = Pick<NodeRow, 'kind' | 'substitutable' | 'system' | 'features' | 'priority'>

export class RealisePlanner {
  readonly #db: Database
  readonly #limits: Settings['limits']
  readonly #services = new Map<string, { readonly service: Promise<Service>; readonly until: number }>()

  constructor(db: Database, limits: Settings['limits']) {
    this.#db = db
    this.#limits = limits
  }

  /** `evaluationId`: the first evaluation that wanted it, with which it shares its turns. */
  async planOf(node: Plannable, evaluationId: number | null): Promise<RealisePlan> {
    const fairness = evaluationId === null ? '' : `evaluation-${evaluationId}`
    if (node.kind === 'fetch' || node.substitutable) return { queue: FETCH_QUEUE, workerWaitSeconds: 0, priority: node.priority, fairnessKey: fairness }
    const { live, known } = await this.#service(node.system, node.features)
    const { workerWaitSeconds, idleWorkerWaitSeconds } = this.#limits
    return {
      queue: buildQueue(node.system, node.features),
      // while somebody serves it, it may wait as long as the queue is
      workerWaitSeconds: live ? 0 : known ? workerWaitSeconds : idleWorkerWaitSeconds,
      priority: node.priority,
      fairnessKey: fairness,
    }
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
