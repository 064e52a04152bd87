/**
 * Ring: state. The graph of nodes: registering what a demand needs, and beginning runs. Upstream counterpart: Hydra's
 * queue-runner keeps this graph in memory; here it is rows, so that any worker may plan any node.
 */
import { sql } from 'kysely'
import type { FetchRequest } from '../contract/fetch.ts'
import type { NodeKey, NodeOutcome } from '../contract/nodes.ts'
import type { NodeInput } from '../contract/workflows.ts'
import type { Database, NodeState, OutputPaths } from './database.ts'
import { activeTraceParent, linkToRuns } from './trace-links.ts'

/** A node as a plan finds it: what it is, not what became of it. */
export interface NodeRecord {
  readonly key: NodeKey
  readonly kind: 'derivation' | 'fetch'
  readonly name: string
  readonly system: string
  readonly features: readonly string[]
  readonly drvPath: string | null
  /** Other .drv paths that make the same outputs. */
  readonly aliases: readonly string[]
  readonly outputs: OutputPaths
  readonly fetch: FetchRequest | null
  readonly fixed: boolean
  readonly substitutable: boolean
  /** Inputs that aren't valid; empty where the node is substitutable. */
  readonly inputs: readonly NodeKey[]
}

/** A node as it stands. */
export interface NodeRow {
  readonly id: number
  readonly key: NodeKey
  readonly kind: 'derivation' | 'fetch'
  readonly name: string
  readonly system: string
  readonly features: readonly string[]
  readonly drvPath: string | null
  readonly outputs: OutputPaths
  readonly fetch: FetchRequest | null
  readonly fixed: boolean
  readonly inputsKnown: boolean
  readonly substitutable: boolean
  readonly substitutionFailed: boolean
  readonly priority: number
  readonly state: NodeState
  readonly outcome: NodeOutcome | null
  readonly run: number
}

const COLUMNS = sql.raw(`n.id, n.key, n.kind, n.name, n.system, n.features, n.drv_path as "drvPath", n.outputs, n."fetch", n.fixed,
  n.inputs_known as "inputsKnown", n.substitutable, n.substitution_failed as "substitutionFailed", n.priority, n.state, n.outcome, n.run`)

export async function readNodes(db: Database, keys: readonly NodeKey[]): Promise<Map<NodeKey, NodeRow>> {
  if (keys.length === 0) return new Map()
  const { rows } = await sql<NodeRow>`select ${COLUMNS} from node n where n.key = any(${keys})`.execute(db)
  return new Map(rows.map((row) => [row.key, row]))
}

/** A node with its registered inputs, in one query. */
export async function readNodeWithInputs(db: Database, key: NodeKey): Promise<{ readonly node: NodeRow; readonly inputs: readonly NodeRow[]; /** the first evaluation that wanted it */ readonly evaluationId: number | null } | undefined> {
  const { rows } = await sql<NodeRow & { evaluationId: number | null }>`
    select ${COLUMNS}, (select min(e.evaluation_id) from evaluation_node e where e.node_key = n.key) as "evaluationId" from node n where n.key = ${key}
    union all
    select ${COLUMNS}, null from node_input i join node n on n.key = i.input_key where i.node_key = ${key}`.execute(db)
  const [node, ...inputs] = rows
  return node && { node, inputs, evaluationId: node.evaluationId }
}

/** Keys of nodes by .drv path, for those that have been registered. */
export async function nodeKeysOf(db: Database, drvPaths: readonly string[]): Promise<Map<string, NodeKey>> {
  if (drvPaths.length === 0) return new Map()
  const rows = await db.selectFrom('derivation').select(['drv_path', 'node_key']).where('drv_path', 'in', drvPaths).execute()
  return new Map(rows.map((row) => [row.drv_path, row.node_key]))
}

/**
 * Registers nodes with their aliases and inputs; what is registered already stays, except that a fixed output that
 * failed through one .drv may be tried through another, and that edges are made complete where they weren't.
 * With `evaluationId`, the nodes become part of what that evaluation caused. Four statements at most for any number of nodes; a new one that
 * needs nothing costs two, and what a node costs is what a chain of imports waits for.
 */
export async function registerNodes(db: Database, records: readonly NodeRecord[], options: { readonly priority: number; readonly evaluationId?: number }): Promise<void> {
  if (records.length === 0) return
  const sorted = [...records].sort((a, b) => (a.key < b.key ? -1 : 1))
  const json = JSON.stringify(sorted.map(({ inputs: _inputs, aliases: _aliases, drvPath, ...record }) => ({ ...record, drv_path: drvPath })))
  await db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ key: NodeKey; fresh: boolean }>`
      with given as (
        select * from jsonb_to_recordset(${json}::jsonb)
          as r(key text, kind text, name text, system text, features jsonb, drv_path text, outputs jsonb, "fetch" jsonb, fixed boolean, substitutable boolean)
      )
      insert into node as n (key, kind, name, system, features, drv_path, outputs, "fetch", fixed, substitutable, inputs_known, priority)
      select key, kind, name, system, array(select jsonb_array_elements_text(features)), drv_path, outputs,
        case when jsonb_typeof("fetch") = 'object' then "fetch" end, fixed, substitutable, true, ${options.priority}
      from (select distinct on (key) * from given order by key) as r order by key
      on conflict (key) do update set
        priority = least(n.priority, excluded.priority),
        substitutable = case when n.inputs_known then n.substitutable else excluded.substitutable end
      where n.priority > excluded.priority or (not n.inputs_known and n.substitutable is distinct from excluded.substitutable)
      returning n.key, n.xmax = 0 as fresh`.execute(trx)
    const fresh = new Set(rows.filter((row) => row.fresh).map((row) => row.key))
    const aliases = sorted.flatMap(({ key, drvPath, aliases: others }) => [...(drvPath === null ? [] : [drvPath]), ...others].map((path) => ({ drv_path: path, node_key: key }))).sort((a, b) => (a.drv_path < b.drv_path ? -1 : 1))
    await sql`
      with given as (select * from jsonb_to_recordset(${JSON.stringify(aliases)}::jsonb) as r(drv_path text, node_key text)),
      added as (insert into derivation (drv_path, node_key) select drv_path, node_key from given order by drv_path on conflict do nothing),
      part as (
        insert into evaluation_node (evaluation_id, node_key)
        select ${options.evaluationId ?? null}, k from unnest(${options.evaluationId === undefined ? [] : sorted.map((record) => record.key)}::text[]) as k on conflict do nothing
      ),
      revived as (
        -- failed through one address, and this one hasn't been tried
        select n.key, min(g.drv_path) as drv_path from given g join node n on n.key = g.node_key
        where n.fixed and n.state = 'failed' and coalesce((n.outcome ->> 'cached')::boolean, false)
          and not exists (select from derivation d where d.drv_path = g.drv_path and (d.failure is not null or n.drv_path = d.drv_path))
        group by n.key order by n.key
      )
      update node n set drv_path = r.drv_path, inputs_known = false, outcome = n.outcome || '{"cached": false}'
      from revived r where n.key = r.key`.execute(trx)
    const edges = sorted.flatMap(({ key, inputs, drvPath }) => inputs.map((input) => ({ n: key, i: input, d: drvPath })))
    if (edges.length > 0) await sql`
      insert into node_input (node_key, input_key)
      select e.n, e.i from jsonb_to_recordset(${JSON.stringify(edges)}::jsonb) as e(n text, i text, d text)
      join node n on n.key = e.n and n.drv_path is not distinct from e.d
      order by e.n, e.i on conflict do nothing`.execute(trx)
    const known = sorted.filter(({ key }) => !fresh.has(key)).map(({ key, drvPath }) => ({ k: key, d: drvPath }))
    if (known.length > 0) await sql`
      with locked as (
        select n.id from jsonb_to_recordset(${JSON.stringify(known)}::jsonb) as r(k text, d text) join node n on n.key = r.k
        where not n.inputs_known and n.drv_path is not distinct from r.d order by n.key for update of n
      )
      update node n set inputs_known = true from locked where n.id = locked.id`.execute(trx)
  })
}

/** These nodes' outputs were found valid: they have succeeded, unless somebody realises them now. */
export async function markValid(db: Database, keys: readonly NodeKey[]): Promise<void> {
  if (keys.length === 0) return
  await sql`
    with locked as (select id from node where key = any(${keys}) and ((state = 'waiting' and run = 0) or state = 'failed') order by key for update)
    update node n set state = 'succeeded', outcome = '{"status": "succeeded", "how": "valid"}', ended_at = now(), touched_at = now() from locked where n.id = locked.id`.execute(db)
}

/** Makes a node's inputs part of whatever the node is part of: for those that a later plan found. */
export async function inheritEvaluations(db: Database, key: NodeKey, inputs: readonly NodeKey[]): Promise<void> {
  await sql`insert into evaluation_node (evaluation_id, node_key)
    select e.evaluation_id, k from evaluation_node e, unnest(${[...inputs].sort()}::text[]) as k
    where e.node_key = ${key} order by 1, 2 on conflict do nothing`.execute(db)
}

export interface BegunRuns {
  /** Runs that this call began: their workflows are to be started. */
  readonly begun: readonly (NodeInput & Pick<NodeRow, 'kind' | 'system' | 'features' | 'substitutable' | 'priority'>)[]
  /** Nodes that somebody else runs, or whose failure is remembered. */
  readonly others: readonly { readonly nodeKey: NodeKey; readonly buildId: number; readonly state: NodeState; readonly outcome: NodeOutcome | null }[]
}

/**
 * Begins a run of each of these nodes that has none, unless its failure is remembered. The caller has found that their
 * outputs aren't valid. Exactly one of several callers gets a node as begun. If the caller dies before it has started
 * the workflow, the sweep does. Those that are `ready` need no plan: they go to a worker at once.
 */
export async function beginRuns(db: Database, keys: readonly NodeKey[], ready: readonly NodeKey[] = []): Promise<BegunRuns> {
  if (keys.length === 0) return { begun: [], others: [] }
  const { rows } = await sql<BegunRuns['begun'][number] & { state: NodeState; outcome: NodeOutcome | null; traceParent: string | null; begun: boolean }>`
    with locked as (
      select id from node where key = any(${keys}) and (
        (state = 'waiting' and run = 0) or (state = 'failed' and not coalesce((outcome ->> 'cached')::boolean, false))
        -- what succeeded while the caller looked for others is there
        or (state = 'succeeded' and exists(select from jsonb_each_text(outputs) o where o.value is null or not exists(select from path_info p where p.hash = left(o.value, 32))))
      ) order by key for update
    ), begun as (
      update node n set run = n.run + 1, outcome = null, substitution_failed = false, touched_at = now(), started_at = null, ended_at = null,
        state = case when n.key = any(${ready}) then 'queued' else 'waiting' end,
        queued_at = case when n.key = any(${ready}) then now() end,
        planned_run = case when n.key = any(${ready}) then n.run + 1 else n.planned_run end,
        trace_parent = ${activeTraceParent()}
      from locked where n.id = locked.id returning n.*
    ), event as (
      insert into event (node_id, kind, data) select id, 'build.queued', jsonb_build_object('name', name) from begun where state = 'queued'
    ), cleared as (
      -- an address that did not answer in an earlier run may answer now
      update derivation d set failure = null from begun where d.node_key = begun.key and d.failure ->> 'passing' = 'true'
    )
    select key as "nodeKey", id as "buildId", run, priority, kind, system, features, substitutable, state, null::jsonb as outcome, null::text as "traceParent", true as begun from begun
    union all
    select key, id, run, priority, kind, system, features, substitutable, state, outcome, trace_parent, false from node where key = any(${keys}) and id not in (select id from begun)`.execute(db)
  linkToRuns(rows.filter((row) => !row.begun && (row.state === 'waiting' || row.state === 'queued' || row.state === 'running')))
  return {
    begun: rows.filter((row) => row.begun).map(({ nodeKey, buildId, run, priority, kind, system, features, substitutable }) => ({ nodeKey, buildId, run, priority, kind, system, features, substitutable })),
    others: rows.filter((row) => !row.begun),
  }
}

/**
 * Records that a run has planned: its workflow exists, and it waits for inputs or for a worker. False where the run is over.
 */
export async function recordPlanned(db: Database, input: NodeInput, state: 'waiting' | 'queued'): Promise<boolean> {
  const { rows } = await sql`
    with planned as (
      update node set planned_run = run, touched_at = now(), state = ${state},
        queued_at = case when ${state} = 'queued' then now() else queued_at end
      where key = ${input.nodeKey} and run = ${input.run} and state in ('waiting', 'queued', 'running') returning id, name
    ), event as (
      insert into event (node_id, kind, data) select id, 'build.queued', jsonb_build_object('name', name) from planned where ${state} = 'queued'
    )
    select id from planned`.execute(db)
  return rows.length > 0
}

/** What the plan of a run was made from has changed: its edges are looked for anew. With `substitutionFailed`, no cache is asked for it in this run. */
export async function forgetPlan(db: Database, input: NodeInput, options: { readonly substitutionFailed?: boolean } = {}): Promise<void> {
  await sql`
    with changed as (
      update node set inputs_known = false, substitutable = false, substitution_failed = substitution_failed or ${options.substitutionFailed ?? false}, touched_at = now()
      where key = ${input.nodeKey} and run = ${input.run} and state in ('waiting', 'queued', 'running') returning key
    )
    delete from node_input i using changed where i.node_key = changed.key`.execute(db)
}

/** Which base name each output of a floating derivation turned out to be. */
export async function readRealisations(db: Database, drvPaths: readonly string[]): Promise<Map<string, Map<string, string>>> {
  const found = new Map<string, Map<string, string>>()
  if (drvPaths.length === 0) return found
  for (const row of await db.selectFrom('realisation').selectAll().where('drv_path', 'in', drvPaths).execute()) {
    const outputs = found.get(row.drv_path) ?? new Map<string, string>()
    found.set(row.drv_path, outputs.set(row.output, row.base_name))
  }
  return found
}

/** Remembers downloads that were mentioned, by base name of their store path. */
export async function rememberFetches(db: Database, fetches: ReadonlyMap<string, FetchRequest>): Promise<void> {
  if (fetches.size === 0) return
  const rows = [...fetches].sort(([a], [b]) => (a < b ? -1 : 1)).map(([base_name, request]) => ({ base_name, request }))
  await sql`insert into known_fetch (base_name, request)
    select base_name, request from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as r(base_name text, request jsonb) on conflict do nothing`.execute(db)
}

export async function readFetches(db: Database, baseNames: readonly string[]): Promise<Map<string, FetchRequest>> {
  if (baseNames.length === 0) return new Map()
  const rows = await db.selectFrom('known_fetch').selectAll().where('base_name', 'in', baseNames).execute()
  return new Map(rows.map((row) => [row.base_name, row.request]))
}
