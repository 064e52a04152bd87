/** Ring: api. Graphs of builds: an evaluation's, and what one build needs. Two queries each, however large. */
import { sql } from 'kysely'
import type { BuildState } from '../../contract/api.ts'
import type { NodeOutcome } from '../../contract/nodes.ts'
import type { Graph } from '../../contract/views.ts'
import type { Database } from '../../state/database.ts'
import { time } from './builds.ts'

interface NodeRow {
  readonly id: number
  readonly key: string
  readonly name: string
  readonly kind: 'derivation' | 'fetch'
  readonly state: BuildState
  readonly outcome: NodeOutcome | null
  readonly worker: string | null
  readonly queuedAt: Date | null
  readonly startedAt: Date | null
  readonly endedAt: Date | null
  readonly wanted: ('job' | 'import')[]
}

const COLUMNS = sql.raw(`n.id, n.key, n.name, n.kind, n.state, n.outcome, n.queued_at as "queuedAt", n.started_at as "startedAt", n.ended_at as "endedAt",
  (select worker from attempt where node_id = n.id order by number desc limit 1) as worker`)
/** What matters first. */
const ORDER = sql.raw(`case n.state when 'failed' then 0 when 'running' then 1 when 'queued' then 2 when 'waiting' then 3 else 4 end, coalesce(n.ended_at, now()) - n.started_at desc nulls last, n.id`)

export async function evaluationGraph(db: Database, evaluationId: number, limit: number): Promise<Graph> {
  const [{ rows }, total] = await Promise.all([
    sql<NodeRow>`
      select ${COLUMNS}, array(select d.reason from demand d where d.evaluation_id = ${evaluationId} and d.node_key = n.key order by d.reason) as wanted
      from evaluation_node w join node n on n.key = w.node_key where w.evaluation_id = ${evaluationId} order by ${ORDER} limit ${limit}`.execute(db),
    sql<{ count: number }>`select count(*) as count from evaluation_node where evaluation_id = ${evaluationId}`.execute(db),
  ])
  return { total: total.rows[0]!.count, nodes: await connected(db, rows) }
}

/** Level by level, so that what is near comes first. */
export async function buildGraph(db: Database, rootKey: string, limit: number): Promise<Graph> {
  const keys = new Set([rootKey])
  let level = [rootKey]
  let complete = true
  while (level.length > 0) {
    const { rows } = await sql<{ key: string }>`
      select n.key from node n where n.key in (select input_key from node_input where node_key = any(${level})) and not (n.key = any(${[...keys]}))
      order by ${ORDER} limit ${limit - keys.size + 1}`.execute(db)
    level = rows.map(({ key }) => key).slice(0, limit - keys.size)
    if (level.length < rows.length) complete = false
    for (const key of level) keys.add(key)
    if (!complete) break
  }
  const { rows } = await sql<NodeRow>`select ${COLUMNS}, '{}'::text[] as wanted from node n where n.key = any(${[...keys]}) order by ${ORDER}`.execute(db)
  return { total: complete ? rows.length : rows.length + 1, nodes: await connected(db, rows) }
}

async function connected(db: Database, rows: readonly NodeRow[]): Promise<Graph['nodes']> {
  const ids = new Map(rows.map(({ key, id }) => [key, id]))
  const keys = [...ids.keys()]
  const edges = await sql<{ node: string; input: string }>`select node_key as node, input_key as input from node_input where node_key = any(${keys}) and input_key = any(${keys}) and node_key <> input_key`.execute(db)
  const inputs = new Map<string, number[]>()
  for (const { node, input } of edges.rows) {
    const known = inputs.get(node)
    if (known) known.push(ids.get(input)!)
    else inputs.set(node, [ids.get(input)!])
  }
  return rows.map(({ key, outcome, queuedAt, startedAt, endedAt, ...row }) => ({
    ...row,
    how: row.state === 'succeeded' && outcome?.status === 'succeeded' ? outcome.how : null,
    queuedAt: time(queuedAt), startedAt: time(startedAt), endedAt: time(endedAt),
    inputs: inputs.get(key) ?? [],
  }))
}
