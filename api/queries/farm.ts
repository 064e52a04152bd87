/** Ring: api. The farm at a glance: counts by state, workers and what they do, the queue and why it waits. */
import { sql } from 'kysely'
import type { BuildState, EvaluationState, FarmStatus, QueueEntry, Worker } from '../../contract/api.ts'
import { buildQueue, FETCH_QUEUE } from '../../contract/queues.ts'
import type { AttemptStep, Database } from '../../state/database.ts'
import { WORKER_SEEN_SECONDS } from '../../state/workers.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { type BuildRow, presentBuild } from './builds.ts'
import { idOfCursor, type Page, pageOf } from './page.ts'

/** One that has said nothing for this long is taken for dead. */
const LIVE_SECONDS = 3 * WORKER_SEEN_SECONDS

export async function stateCounts(db: Database): Promise<Pick<FarmStatus, 'evaluations' | 'builds'>> {
  const evaluations: Record<EvaluationState, number> = { queued: 0, evaluating: 0, waiting: 0, building: 0, succeeded: 0, failed: 0, cancelled: 0 }
  const builds: Record<BuildState, number> = { waiting: 0, queued: 0, running: 0, succeeded: 0, failed: 0 }
  const [ofEvaluations, ofBuilds] = await Promise.all([
    sql<{ state: EvaluationState; count: number }>`select state, count(*) as count from evaluation group by state`.execute(db),
    sql<{ state: BuildState; count: number }>`select state, count(*) as count from node group by state`.execute(db),
  ])
  for (const { state, count } of ofEvaluations.rows) evaluations[state] = count
  for (const { state, count } of ofBuilds.rows) builds[state] = count
  return { evaluations, builds }
}

/** Builds that wait for a worker, by system. */
export async function queuedBySystem(db: Database): Promise<{ system: string; count: number }[]> {
  return (await sql<{ system: string; count: number }>`select system, count(*) as count from node where state = 'queued' group by system`.execute(db)).rows
}

interface WorkerRow { id: string; host: string; systems: string[]; features: string[]; slots: number; startedAt: Date; seenAt: Date; live: boolean; running: { buildId: number; name: string; step: AttemptStep; startedAt: string }[] }

export async function listWorkers(db: Database): Promise<Worker[]> {
  const { rows } = await sql<WorkerRow>`
    select w.id, w.host, w.systems, w.features, w.slots, w.started_at as "startedAt", w.seen_at as "seenAt", w.seen_at > now() - make_interval(secs => ${LIVE_SECONDS}) as live,
      coalesce((select jsonb_agg(jsonb_build_object('buildId', n.id, 'name', n.name, 'step', a.step, 'startedAt', a.started_at) order by a.id)
        from attempt a join node n on n.id = a.node_id where a.worker = w.id and a.ended_at is null and n.state = 'running'), '[]') as running
    from worker w order by w.id`.execute(db)
  return rows.map(({ startedAt, seenAt, running, ...row }) => ({
    ...row,
    startedAt: startedAt.toISOString(),
    seenAt: seenAt.toISOString(),
    running: running.map((one) => ({ ...one, startedAt: new Date(one.startedAt).toISOString() })),
  }))
}

type QueueRow = BuildRow & { readonly unfinished: { total: number; inputs: { buildId: number; name: string; state: BuildState }[] } | null }

export async function listQueue(db: Database, workers: readonly Worker[], page: { readonly limit: number; readonly cursor?: string | undefined }): Promise<Page<QueueEntry>> {
  const { rows } = await sql<QueueRow>`
    select n.id, n.key, n.kind, n.name, n.system, n.features, n.drv_path as "drvPath", n.outputs, n.state, n.outcome,
      n.created_at as "createdAt", n.queued_at as "queuedAt", n.started_at as "startedAt", n.ended_at as "endedAt",
      a.step, a.worker, coalesce(a.number, 0) as attempts, i.unfinished
    from node n
    left join lateral (select step, worker, number from attempt where node_id = n.id order by number desc limit 1) a on true
    left join lateral (
      select jsonb_build_object('total', count(*), 'inputs', coalesce(jsonb_agg(jsonb_build_object('buildId', u.id, 'name', u.name, 'state', u.state)) filter (where u.place <= 10), '[]')) as unfinished
      from (select m.id, m.name, m.state, row_number() over (order by m.id) as place from node_input e join node m on m.key = e.input_key
        where e.node_key = n.key and m.state in ('waiting', 'queued', 'running')) u) i on n.state = 'waiting'
    where n.state in ('waiting', 'queued') and n.id > ${idOfCursor(page.cursor) ?? 0}
      and exists (select 1 from evaluation_node w join evaluation e on e.id = w.evaluation_id where w.node_key = n.key and e.state not in ('succeeded', 'failed', 'cancelled'))
    order by n.id limit ${page.limit + 1}`.execute(db)
  return pageOf(rows, page.limit, (row) => row.id, (row) => entryOf(row, workers))
}

function entryOf(row: QueueRow, workers: readonly Worker[]): QueueEntry {
  const build = presentBuild(row)
  const inputs = row.unfinished
  if (row.state === 'waiting' && inputs && inputs.total > 0) {
    const named = inputs.inputs.map(({ name, state }) => `${name} (${state})`)
    const more = inputs.total - named.length
    return { build, reason: { kind: 'inputs', ...inputs }, text: `waits for ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}` }
  }
  const isFetch = row.kind === 'fetch' || row.system === 'builtin'
  const queue = isFetch ? FETCH_QUEUE : buildQueue(row.system, row.features)
  if (row.state === 'waiting') return { build, reason: { kind: 'starting', queue }, text: 'is about to be planned' }
  const serving = workers.filter((worker) => worker.live && (isFetch || (worker.systems.includes(row.system) && row.features.every((feature) => worker.features.includes(feature)))))
  if (serving.length === 0) {
    const features = row.features.length > 0 ? ` with ${row.features.join(', ')}` : ''
    return { build, reason: { kind: 'no-worker', queue, system: row.system, features: row.features }, text: `no live worker serves ${isFetch ? 'downloads' : row.system}${features}` }
  }
  const slots = serving.reduce((sum, worker) => sum + worker.slots, 0)
  const running = serving.reduce((sum, worker) => sum + worker.running.length, 0)
  if (running >= slots) return { build, reason: { kind: 'busy', queue, slots, running }, text: `all ${slots} slots of ${serving.length === 1 ? 'the worker' : `${serving.length} workers`} are taken` }
  return { build, reason: { kind: 'starting', queue }, text: 'a free worker is about to take it' }
}

/** What the gauges of infra/observability/metrics.ts show. */
export async function farmFigures({ database: { db }, store }: Pick<ApiDependencies, 'database' | 'store'>): Promise<{
  evaluations: Record<string, number>
  builds: Record<string, number>
  queued: { system: string; count: number }[]
  workers: { live: number; slots: number }
  store: { paths: number; narBytes: number }
}> {
  const [counts, queued, workers, paths] = await Promise.all([stateCounts(db), queuedBySystem(db), listWorkers(db), store.pathInfos.count()])
  const live = workers.filter((worker) => worker.live)
  return { ...counts, queued, workers: { live: live.length, slots: live.reduce((sum, worker) => sum + worker.slots, 0) }, store: paths }
}
