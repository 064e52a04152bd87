/** Ring: state. Projects: what holds jobsets, roles and credentials. Upstream counterpart: Hydra's Projects. */
import { sql } from 'kysely'
import { FirnError } from '../contract/errors.ts'
import type { Project, ProjectDefinition } from '../contract/jobsets.ts'
import type { Database } from './database.ts'

interface ProjectRow extends Omit<Project, 'createdAt'> { readonly createdAt: Date }

const COLUMNS = sql.raw(`p.id, p.name, p.display_name as "displayName", p.description, p.homepage, p.enabled, p.hidden, p.declarative, p.error, p.created_at as "createdAt", p.version,
  (select count(*) from jobset s where s.project_id = p.id) as jobsets`)

function present({ createdAt, ...row }: ProjectRow): Project {
  return { ...row, createdAt: createdAt.toISOString() }
}

/** Whether to write: only this version, or only where there is none yet. */
export interface Precondition {
  readonly version?: number
  readonly absent?: boolean
}

export async function getProject(db: Database, name: string): Promise<Project> {
  const { rows } = await sql<ProjectRow>`select ${COLUMNS} from project p where p.name = ${name}`.execute(db)
  if (!rows[0]) throw new FirnError('not-found', `there is no project '${name}'`)
  return present(rows[0])
}

export async function getProjectById(db: Database, id: number): Promise<Project | undefined> {
  const { rows } = await sql<ProjectRow>`select ${COLUMNS} from project p where p.id = ${id}`.execute(db)
  return rows[0] && present(rows[0])
}

/** By name, after a name. */
export async function listProjects(db: Database, options: { readonly after?: string | undefined; readonly limit: number; readonly hidden: boolean }): Promise<Project[]> {
  const { rows } = await sql<ProjectRow>`
    select ${COLUMNS} from project p where p.name > ${options.after ?? ''} and (${options.hidden} or not p.hidden) order by p.name limit ${options.limit}`.execute(db)
  return rows.map(present)
}

/** Makes or replaces a project. 'conflict' where the precondition does not hold. */
export async function putProject(db: Database, name: string, definition: ProjectDefinition, condition: Precondition = {}): Promise<{ readonly project: Project; readonly created: boolean }> {
  const { displayName, description, homepage, enabled, hidden, declarative } = definition
  const values = { display_name: displayName === '' ? name : displayName, description, homepage, enabled, hidden, declarative: declarative === null ? null : JSON.stringify(declarative) }
  const { rows } = await sql<{ created: boolean }>`
    insert into project as p (name, display_name, description, homepage, enabled, hidden, declarative)
    select ${name}, ${values.display_name}, ${description}, ${homepage}, ${enabled}, ${hidden}, ${values.declarative}::jsonb where ${condition.version === undefined}
      or exists(select from project where name = ${name} and version = ${condition.version ?? null})
    on conflict (name) do update set display_name = excluded.display_name, description = excluded.description, homepage = excluded.homepage,
      enabled = excluded.enabled, hidden = excluded.hidden, declarative = excluded.declarative, error = null, version = p.version + 1
    where not ${condition.absent ?? false} and (${condition.version ?? null}::bigint is null or p.version = ${condition.version ?? null}::bigint)
    returning xmax = 0 as created`.execute(db)
  if (!rows[0]) throw new FirnError('conflict', condition.absent ? `there is a project '${name}' already` : `project '${name}' has changed meanwhile, or is not there`)
  return { project: await getProject(db, name), created: rows[0].created }
}

export async function setProjectError(db: Database, projectId: number, error: string | null): Promise<void> {
  await sql`update project set error = ${error} where id = ${projectId} and error is distinct from ${error}`.execute(db)
}

/** Evaluations must have been cancelled before. */
export async function deleteProject(db: Database, projectId: number): Promise<void> {
  await sql`delete from project where id = ${projectId}`.execute(db)
}
