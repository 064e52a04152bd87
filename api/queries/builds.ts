/** Ring: api. Builds as the API shows them: nodes with their newest attempt, neighbours in the graph, and the node at fault. */
import { type RawBuilder, sql } from 'kysely'
import type { Attempt, Build, BuildState, Fault } from '../../contract/api.ts'
import { describeCause, type FailureCause, isCached, type NodeOutcome } from '../../contract/nodes.ts'
import { STORE_DIRECTORY } from '../../nix/store-path.ts'
import type { AttemptStep, Database, OutputPaths } from '../../state/database.ts'
import { idOfCursor, type Page, pageOf } from './page.ts'

export interface BuildRow {
  readonly id: number
  readonly key: string
  readonly kind: 'derivation' | 'fetch'
  readonly name: string
  readonly system: string
  readonly features: string[]
  readonly drvPath: string | null
  readonly outputs: OutputPaths
  readonly state: BuildState
  readonly outcome: NodeOutcome | null
  readonly step: AttemptStep | null
  readonly worker: string | null
  readonly attempts: number
  readonly createdAt: Date
  readonly queuedAt: Date | null
  readonly startedAt: Date | null
  readonly endedAt: Date | null
}

const SELECT = sql`
  select n.id, n.key, n.kind, n.name, n.system, n.features, n.drv_path as "drvPath", n.outputs, n.state, n.outcome,
    n.created_at as "createdAt", n.queued_at as "queuedAt", n.started_at as "startedAt", n.ended_at as "endedAt",
    a.step, a.worker, coalesce(a.number, 0) as attempts
  from node n left join lateral (select step, worker, number from attempt where node_id = n.id order by number desc limit 1) a on true`

export function time(date: Date | null): string | null {
  return date === null ? null : date.toISOString()
}

export function absolutePaths(outputs: OutputPaths): Record<string, string | null> {
  return Object.fromEntries(Object.entries(outputs).map(([name, baseName]) => [name, baseName === null ? null : `${STORE_DIRECTORY}/${baseName}`]))
}

export function presentBuild(row: BuildRow): Build {
  const cause = row.state === 'failed' && row.outcome?.status === 'failed' ? row.outcome.cause : null
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    system: row.system,
    features: row.features,
    drvPath: row.drvPath,
    outputs: absolutePaths(row.outputs),
    state: row.state,
    how: row.state === 'succeeded' && row.outcome?.status === 'succeeded' ? row.outcome.how : null,
    cause,
    cachedFailure: cause !== null && isCached(cause),
    step: row.state === 'running' ? row.step : null,
    worker: row.worker,
    attempts: row.attempts,
    createdAt: row.createdAt.toISOString(),
    queuedAt: time(row.queuedAt),
    startedAt: time(row.startedAt),
    endedAt: time(row.endedAt),
  }
}

export async function getBuild(db: Database, id: number): Promise<BuildRow | undefined> {
  return (await sql<BuildRow>`${SELECT} where n.id = ${id}`.execute(db)).rows[0]
}

export interface BuildFilter {
  readonly state?: BuildState | undefined
  readonly system?: string | undefined
  readonly name?: string | undefined
  readonly evaluationId?: number | undefined
  /** Either matches: a derivation's path, or a node's key (the base name of its first output). */
  readonly drvPath?: string | undefined
  readonly key?: string | undefined
}

export async function listBuilds(db: Database, filter: BuildFilter, page: { readonly limit: number; readonly cursor?: string | undefined }): Promise<Page<Build>> {
  const conditions: RawBuilder<unknown>[] = [sql`true`]
  const before = idOfCursor(page.cursor)
  if (before !== undefined) conditions.push(sql`n.id < ${before}`)
  if (filter.state !== undefined) conditions.push(sql`n.state = ${filter.state}`)
  if (filter.system !== undefined) conditions.push(sql`n.system = ${filter.system}`)
  if (filter.name !== undefined) conditions.push(sql`n.name = ${filter.name}`)
  if (filter.evaluationId !== undefined) conditions.push(sql`n.key in (select node_key from demand where evaluation_id = ${filter.evaluationId})`)
  if (filter.drvPath !== undefined || filter.key !== undefined) conditions.push(sql`(n.key = ${filter.key ?? ''} or n.key in (select node_key from derivation where drv_path = ${filter.drvPath ?? ''}))`)
  const { rows } = await sql<BuildRow>`${SELECT} where ${sql.join(conditions, sql` and `)} order by n.id desc limit ${page.limit + 1}`.execute(db)
  return pageOf(rows, page.limit, (row) => row.id, presentBuild)
}

export async function listNeighbours(db: Database, key: string, side: 'inputs' | 'dependents', page: { readonly limit: number; readonly cursor?: string | undefined }): Promise<Page<Build>> {
  const keys = side === 'inputs' ? sql`select input_key from node_input where node_key = ${key}` : sql`select node_key from node_input where input_key = ${key}`
  const { rows } = await sql<BuildRow>`${SELECT} where n.key in (${keys}) and n.id > ${idOfCursor(page.cursor) ?? 0} order by n.id limit ${page.limit + 1}`.execute(db)
  return pageOf(rows, page.limit, (row) => row.id, presentBuild)
}

export type StateCounts = Record<BuildState, number>

export async function inputCounts(db: Database, key: string): Promise<StateCounts & { total: number }> {
  const { rows } = await sql<{ state: BuildState; count: number }>`
    select n.state, count(*) as count from node_input i join node n on n.key = i.input_key where i.node_key = ${key} group by n.state`.execute(db)
  const counts = { total: 0, waiting: 0, queued: 0, running: 0, succeeded: 0, failed: 0 }
  for (const { state, count } of rows) {
    counts[state] = count
    counts.total += count
  }
  return counts
}

export async function dependentCount(db: Database, key: string): Promise<number> {
  return (await sql<{ count: number }>`select count(*) as count from node_input where input_key = ${key}`.execute(db)).rows[0]!.count
}

export async function evaluationsWanting(db: Database, key: string): Promise<number[]> {
  return (await sql<{ id: number }>`select evaluation_id as id from evaluation_node where node_key = ${key} order by evaluation_id desc limit 100`.execute(db)).rows.map((row) => row.id)
}

interface AttemptRow {
  readonly id: number
  readonly number: number
  readonly worker: string
  readonly step: AttemptStep
  readonly startedAt: Date
  readonly endedAt: Date | null
  readonly outcome: NodeOutcome | { readonly status: 'fault'; readonly kind: string; readonly message: string } | null
  readonly figures: Readonly<Record<string, unknown>>
  readonly logBytes: number
}

export async function listAttempts(db: Database, buildId: number): Promise<Attempt[]> {
  const { rows } = await sql<AttemptRow>`
    select id, number, worker, step, started_at as "startedAt", ended_at as "endedAt", outcome, figures,
      greatest(log_bytes, coalesce((select position + length(content) from log_chunk c where c.attempt_id = attempt.id order by seq desc limit 1), 0)) as "logBytes"
    from attempt where node_id = ${buildId} order by number desc limit 100`.execute(db)
  return rows.map(({ outcome, startedAt, endedAt, ...row }) => ({
    ...row,
    startedAt: startedAt.toISOString(),
    endedAt: time(endedAt),
    how: outcome?.status === 'succeeded' ? outcome.how : null,
    cause: outcome?.status === 'failed' ? outcome.cause
      : outcome?.status === 'fault' ? { kind: 'fault', error: outcome.kind, message: outcome.message } as FailureCause : null,
  }))
}

/** What a failed node's fault is found by. */
export interface FailedNode {
  readonly id: number
  readonly name: string
  readonly drvPath: string | null
  readonly outcome: NodeOutcome | null
}

/** The build at fault of each of these failed builds, by their id: themselves, or the input that failed. Two queries at most. */
export async function faultsOf(db: Database, nodes: readonly FailedNode[]): Promise<Map<number, Fault>> {
  const rootOf = (node: FailedNode): number => (node.outcome?.status === 'failed' && node.outcome.cause.kind === 'dependency-failed' ? node.outcome.cause.buildId : node.id)
  const known = new Map(nodes.map((node) => [node.id, node]))
  const missing = [...new Set(nodes.map(rootOf))].filter((id) => !known.has(id))
  if (missing.length > 0) {
    const { rows } = await sql<FailedNode>`select id, name, drv_path as "drvPath", outcome from node where id = any(${missing})`.execute(db)
    for (const row of rows) known.set(row.id, row)
  }
  const faults = new Map<number, Fault>()
  for (const node of nodes) {
    if (node.outcome?.status !== 'failed') continue
    const own = node.outcome.cause
    const root = known.get(rootOf(node))
    const rootOutcome = root?.outcome?.status === 'failed' ? root.outcome : undefined
    // the input may have been revived meanwhile; what failed this one is still what was recorded
    const cause = rootOutcome?.cause ?? (own.kind === 'dependency-failed' ? own.cause : own)
    faults.set(node.id, {
      buildId: root?.id ?? node.id,
      name: root?.name ?? (own.kind === 'dependency-failed' ? own.name : node.name),
      drvPath: root?.drvPath ?? null,
      cause,
      description: describeCause(cause),
      logTail: [...(rootOutcome?.logTail ?? [])],
    })
  }
  return faults
}
