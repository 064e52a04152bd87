/** Ring: state. What builds of jobs say about themselves: products, metrics, release name, sizes. Upstream counterpart: Hydra's BuildProducts and BuildMetrics. */
import { sql } from 'kysely'
import type { BuildMetric, BuildProduct, BuildResult } from '../contract/comparison.ts'
import type { Database, OutputPaths } from './database.ts'

export interface ReadResult {
  readonly nodeId: number
  readonly releaseName: string | null
  readonly outputBytes: number | null
  readonly closureBytes: number | null
  readonly failedWithOutput: boolean
  readonly products: readonly BuildProduct[]
  readonly metrics: readonly BuildMetric[]
}

/** Records results; those of a node that has some already are replaced. */
export async function recordResults(db: Database, results: readonly ReadResult[]): Promise<void> {
  if (results.length === 0) return
  const sorted = [...results].sort((a, b) => a.nodeId - b.nodeId)
  const ids = sorted.map((result) => result.nodeId)
  const products = sorted.flatMap(({ nodeId, products: list }) => list.map((product) => ({ node_id: nodeId, ...product })))
  const metrics = sorted.flatMap(({ nodeId, metrics: list }) => list.map((metric) => ({ node_id: nodeId, ...metric })))
  await db.transaction().execute(async (trx) => {
    await sql`
      insert into build_result (node_id, release_name, output_bytes, closure_bytes, failed_with_output)
      select r."nodeId", r."releaseName", r."outputBytes", r."closureBytes", r."failedWithOutput" from jsonb_to_recordset(${JSON.stringify(sorted)}::jsonb)
        as r("nodeId" bigint, "releaseName" text, "outputBytes" bigint, "closureBytes" bigint, "failedWithOutput" boolean) join node n on n.id = r."nodeId" order by 1
      on conflict (node_id) do update set release_name = excluded.release_name, output_bytes = excluded.output_bytes, closure_bytes = excluded.closure_bytes,
        failed_with_output = excluded.failed_with_output, read_at = now()`.execute(trx)
    await sql`delete from build_product where node_id = any(${ids})`.execute(trx)
    await sql`delete from build_metric where node_id = any(${ids})`.execute(trx)
    await sql`insert into build_product (node_id, number, type, subtype, name, path, default_path, file_size, sha256)
      select node_id, number, type, subtype, name, path, "defaultPath", "fileSize", sha256 from jsonb_to_recordset(${JSON.stringify(products)}::jsonb)
        as r(node_id bigint, number integer, type text, subtype text, name text, path text, "defaultPath" text, "fileSize" bigint, sha256 text)`.execute(trx)
    await sql`insert into build_metric (node_id, name, value, unit)
      select node_id, name, value, unit from jsonb_to_recordset(${JSON.stringify(metrics)}::jsonb) as r(node_id bigint, name text, value float8, unit text) on conflict do nothing`.execute(trx)
  })
}

export interface UnreadNode {
  readonly nodeId: number
  readonly outputs: OutputPaths
  readonly drvPath: string | null
}

/** Of these nodes and these jobs (evaluation and attribute), the builds of jobs that succeeded and whose results nobody has read. */
export async function unreadResults(db: Database, nodeIds: readonly number[], jobs: readonly { readonly evaluationId: number; readonly attr: string }[]): Promise<UnreadNode[]> {
  const { rows } = await sql<UnreadNode>`
    with wanted as (
      select n.key from node n where n.id = any(${nodeIds}) and exists(select from job j where j.node_key = n.key)
      union
      select j.node_key from jsonb_to_recordset(${JSON.stringify(jobs)}::jsonb) as r("evaluationId" bigint, attr text) join job j on j.evaluation_id = r."evaluationId" and j.attr = r.attr
    )
    select n.id as "nodeId", n.outputs, n.drv_path as "drvPath" from wanted w join node n on n.key = w.key
    where n.state = 'succeeded' and not exists(select from build_result r where r.node_id = n.id and r.read_at is not null) order by n.id`.execute(db)
  return rows
}

export async function getResult(db: Database, buildId: number): Promise<BuildResult> {
  const [result, products, metrics] = await Promise.all([
    db.selectFrom('build_result').selectAll().where('node_id', '=', buildId).executeTakeFirst(),
    db.selectFrom('build_product').selectAll().where('node_id', '=', buildId).orderBy('number').execute(),
    db.selectFrom('build_metric').selectAll().where('node_id', '=', buildId).orderBy('name').execute(),
  ])
  return {
    buildId,
    releaseName: result?.release_name ?? null,
    outputBytes: result?.output_bytes ?? null,
    closureBytes: result?.closure_bytes ?? null,
    failedWithOutput: result?.failed_with_output ?? false,
    keep: result?.keep ?? false,
    products: products.map((row) => ({ number: row.number, type: row.type, subtype: row.subtype, name: row.name, path: row.path, defaultPath: row.default_path, fileSize: row.file_size, sha256: row.sha256 })),
    metrics: metrics.map(({ name, value, unit }) => ({ name, value, unit })),
  }
}

/** Keeps a build: no evaluation that has it as a job is removed by retention. */
export async function keepBuild(db: Database, buildId: number, keep: boolean): Promise<void> {
  await sql`insert into build_result (node_id, keep, read_at) values (${buildId}, ${keep}, null) on conflict (node_id) do update set keep = excluded.keep`.execute(db)
}
