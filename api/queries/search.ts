/** Ring: api. Search over everything that has a name: each kind by a query of its own, bounded in what it looks at. */
import { sql } from 'kysely'
import type { SearchResult } from '../../contract/views.ts'
import { STORE_DIRECTORY } from '../../nix/store-path.ts'
import type { Database } from '../../state/database.ts'
import { JOB_FROM, JOB_STATE } from '../../state/job-states.ts'

/** Evaluations whose commits are looked at, the newest. */
const EVALUATIONS = 2000
/** Submissions whose jobs are looked at; of jobsets, the newest evaluation of each. */
const SUBMISSIONS = 10

export async function search(db: Database, text: string, limit: number): Promise<SearchResult> {
  const path = text.startsWith(`${STORE_DIRECTORY}/`) ? text.slice(STORE_DIRECTORY.length + 1) : text
  const [evaluations, projects, jobs, builds, paths] = await Promise.all([
    findEvaluations(db, text, limit), findProjects(db, text, limit), findJobs(db, path, limit), findBuilds(db, path, limit), findPaths(db, path, limit),
  ])
  return { evaluations, projects, jobs, builds, paths }
}

async function findEvaluations(db: Database, text: string, limit: number): Promise<SearchResult['evaluations']> {
  const number = /^#?([1-9]\d{0,8})$/.exec(text)?.[1]
  const commit = /^[0-9a-f]{6,64}$/.test(text) ? text : undefined
  if (number === undefined && commit === undefined) return []
  const { rows } = await sql<Omit<SearchResult['evaluations'][number], 'createdAt'> & { createdAt: Date }>`
    select e.id, e.state, e.created_at as "createdAt", coalesce(p.name || ':' || s.name, 'submission') as title, c.revision
    from (select * from evaluation order by id desc limit ${EVALUATIONS}) e
    left join jobset s on s.id = e.jobset_id left join project p on p.id = s.project_id
    left join lateral (select i.value->>'revision' as revision from jsonb_each(e.inputs) i where jsonb_typeof(i.value) = 'object' and starts_with(i.value->>'revision', ${commit ?? ''}) limit 1) c on ${commit !== undefined}
    where c.revision is not null or e.id = ${number === undefined ? null : Number(number)}
    order by e.id desc limit ${limit}`.execute(db)
  return rows.map((row) => ({ ...row, createdAt: row.createdAt.toISOString() }))
}

async function findProjects(db: Database, text: string, limit: number): Promise<SearchResult['projects']> {
  const { rows } = await sql<SearchResult['projects'][number]>`
    select * from (
      select name as project, null as jobset from project where strpos(lower(name), lower(${text})) > 0 or strpos(lower(display_name), lower(${text})) > 0
      union all
      select p.name, s.name from jobset s join project p on p.id = s.project_id where strpos(lower(p.name || ':' || s.name), lower(${text})) > 0
    ) found order by project, jobset nulls first limit ${limit}`.execute(db)
  return rows
}

async function findJobs(db: Database, text: string, limit: number): Promise<SearchResult['jobs']> {
  const { rows } = await sql<SearchResult['jobs'][number]>`
    with looked as (
      (select distinct on (jobset_id) id from evaluation where jobset_id is not null and variant = '' and evaluated_at is not null order by jobset_id, id desc)
      union (select id from evaluation where jobset_id is null order by id desc limit ${SUBMISSIONS})
    )
    select j.evaluation_id as "evaluationId", j.attr, j.name, j.system, ${JOB_STATE} as state, n.id as "buildId"
    ${JOB_FROM} where j.evaluation_id in (select id from looked) and (strpos(lower(j.attr), lower(${text})) > 0 or strpos(lower(j.name), lower(${text})) > 0)
    order by lower(j.attr) = lower(${text}) desc, length(j.attr), j.evaluation_id desc, j.attr limit ${limit}`.execute(db)
  return rows
}

async function findBuilds(db: Database, text: string, limit: number): Promise<SearchResult['builds']> {
  const number = /^#?([1-9]\d{0,8})$/.exec(text)?.[1]
  const { rows } = await sql<SearchResult['builds'][number]>`
    select n.id, n.name, n.system, n.state, n.drv_path as "drvPath" from node n
    where n.id = ${number === undefined ? null : Number(number)} or strpos(n.name, ${text}) > 0 or strpos(n.key, ${text}) > 0
      or n.key in (select node_key from derivation where drv_path = ${`${STORE_DIRECTORY}/${text}`})
    order by n.id desc limit ${limit}`.execute(db)
  return rows
}

/** By the hash part or its beginning, else by name. */
async function findPaths(db: Database, text: string, limit: number): Promise<string[]> {
  const hash = /^[0-9abcdfghijklmnpqrsvwxyz]{4,32}/.exec(text)?.[0]
  const { rows } = await sql<{ path: string }>`
    select hash || '-' || name as path from path_info
    where (${hash !== undefined && (hash.length === text.length || text[32] === '-')} and starts_with(hash, ${hash ?? ''})) or strpos(name, ${text}) > 0
    order by registered_at desc limit ${limit}`.execute(db)
  return rows.map(({ path }) => `${STORE_DIRECTORY}/${path}`)
}
