/** Ring: state. The audit log: who changed what, when. Names rather than references, since it outlives what it tells of. */
import { sql } from 'kysely'
import type { AuditEntry } from '../contract/access.ts'
import type { Database } from './database.ts'

export interface AuditRecord {
  readonly principal: string
  readonly action: string
  readonly project: string | null
  readonly detail: Readonly<Record<string, unknown>>
  readonly requestId: string | null
}

/** Longest detail that is kept whole: a jobset's definition fits. */
const DETAIL_CHARACTERS = 20_000

export async function writeAudit(db: Database, { principal, action, project, detail, requestId }: AuditRecord): Promise<void> {
  const json = JSON.stringify(detail).replaceAll('\\u0000', '\\ufffd')
  const kept = json.length <= DETAIL_CHARACTERS ? json : JSON.stringify({ beginning: json.slice(0, 2000), characters: json.length })
  await sql`insert into audit (principal, action, project, detail, request_id) values (${principal}, ${action}, ${project}, ${kept}::jsonb, ${requestId})`.execute(db)
}

/** Newest first; of one project, or all. */
export async function listAudit(db: Database, filter: { readonly project?: string; readonly before: number | undefined; readonly limit: number }): Promise<AuditEntry[]> {
  const project = filter.project ?? null
  const { rows } = await sql<Omit<AuditEntry, 'at'> & { at: Date }>`
    select id, at, principal, action, project, detail, request_id as "requestId" from audit
    where (${project}::text is null or project = ${project}) and (${filter.before ?? null}::bigint is null or id < ${filter.before ?? null}::bigint) order by id desc limit ${filter.limit}`.execute(db)
  return rows.map((row) => ({ ...row, at: row.at.toISOString() }))
}
