/** Ring: api. Writes changes to the audit log: who, what, and what of the request is no secret. */
import { sql } from 'kysely'
import { writeAudit } from '../../state/audit.ts'
import type { ApiDependencies } from '../dependencies.ts'
import type { Audit } from '../http/router.ts'
import { nameOf } from './principal.ts'

/** Fields that are never written, however deep. */
const SECRET = /^(password|old|new|secret|text|token|code)$/i
/** A text longer than this is an expression or a description, and stands in its own place. */
const TEXT_CHARACTERS = 1000

export function auditWriter({ database: { db }, logger }: Pick<ApiDependencies, 'database' | 'logger'>): Audit {
  return async (action, { principal, requestId, request }, { params, body, project: where }) => {
    const detail = { ...(params as object | undefined), ...(body === undefined ? {} : { body: withoutSecrets(body) }) }
    const record = { principal: nameOf(principal), action, detail, requestId }
    try {
      const { project, id } = request.params
      await writeAudit(db, { ...record, project: typeof project === 'string' ? project : where === 'evaluation' && typeof id === 'string' ? await projectOfEvaluation(id) : null })
    } catch (error) {
      // the change is made: an answer that says it failed would be wrong
      logger.error({ err: error, ...record }, 'a change is missing in the audit log')
    }
  }

  async function projectOfEvaluation(id: string): Promise<string | null> {
    return (await sql<{ name: string }>`select p.name from evaluation e join jobset s on s.id = e.jobset_id join project p on p.id = s.project_id where e.id = ${id}::bigint`.execute(db)).rows[0]?.name ?? null
  }
}

export function withoutSecrets(value: unknown): unknown {
  if (typeof value === 'string') return value.length > TEXT_CHARACTERS ? `${value.slice(0, TEXT_CHARACTERS)}…` : value
  if (Array.isArray(value)) return value.slice(0, 100).map(withoutSecrets)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, SECRET.test(name) ? '(not written)' : withoutSecrets(one)]))
}
