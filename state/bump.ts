/**
 * Ring: state. Moving builds to the front: they and the unfinished inputs below them become most urgent. What waits in a task queue can't be
 * moved there (Temporal 1.29 leaves a scheduled activity's priority as it is), so it begins a new run, whose task goes to the front; a worker that
 * has just taken the old task finds its run over, or has the node and then nothing is begun. What waits for inputs, or is planned later, takes its
 * priority from its row. Upstream counterpart: Hydra's globalpriority.
 */
import { sql } from 'kysely'
import { FirnError } from '../contract/errors.ts'
import type { Database } from './database.ts'
import { getEvaluation } from './evaluations.ts'
import type { Motion } from './motion.ts'

const FRONT = 1

async function raise(db: Database, motion: Motion, keys: readonly string[]): Promise<number[]> {
  const { rows } = await sql<{ id: number; key: string; state: string; run: number }>`
    with recursive below(key) as (
      select unnest(${keys}::text[])
      union
      select i.input_key from below b join node_input i on i.node_key = b.key join node n on n.key = i.input_key and n.state in ('waiting', 'queued', 'running')
    ), locked as (
      select n.id from below b join node n on n.key = b.key where n.state in ('waiting', 'queued') and n.priority > ${FRONT} order by n.key for update of n
    )
    update node n set priority = ${FRONT}, run = case when n.state = 'queued' then n.run + 1 else n.run end, touched_at = now()
    from locked where n.id = locked.id returning n.id, n.key, n.state, n.run`.execute(db)
  await motion.startNodes(rows.filter((row) => row.state === 'queued').map((row) => ({ nodeKey: row.key, buildId: row.id, run: row.run, priority: FRONT })))
  return rows.map((row) => row.id).sort((a, b) => a - b)
}

/** 'not-found'; 'conflict' where it has ended. Gives the builds that go first now; none where they did already. */
export async function bumpBuild(db: Database, motion: Motion, buildId: number): Promise<number[]> {
  const node = await db.selectFrom('node').select(['key', 'state']).where('id', '=', buildId).executeTakeFirst()
  if (!node) throw new FirnError('not-found', `there is no build ${buildId}`)
  if (node.state === 'succeeded' || node.state === 'failed') throw new FirnError('conflict', `build ${buildId} has ended (${node.state})`)
  return await raise(db, motion, [node.key])
}

/** Everything unfinished that an evaluation wants, and what it will find from now on. */
export async function bumpEvaluation(db: Database, motion: Motion, evaluationId: number): Promise<number[]> {
  const evaluation = await getEvaluation(db, evaluationId)
  if (!evaluation) throw new FirnError('not-found', `there is no evaluation ${evaluationId}`)
  if (evaluation.endedAt) throw new FirnError('conflict', `evaluation ${evaluationId} has ended (${evaluation.state})`)
  await sql`update evaluation set request = request || ${JSON.stringify({ priority: FRONT })}::jsonb where id = ${evaluationId}`.execute(db)
  const { rows } = await sql<{ key: string }>`
    select n.key from demand d join node n on n.key = d.node_key where d.evaluation_id = ${evaluationId} and d.met_at is null and n.state in ('waiting', 'queued', 'running')`.execute(db)
  return await raise(db, motion, rows.map((row) => row.key))
}
