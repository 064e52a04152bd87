/** Ring: state. Which evaluations of jobsets go: those beyond the last that a jobset keeps. Builds, logs and store paths stay. */
import { sql } from 'kysely'
import type { Database } from './database.ts'

/** Evaluations of a pull request go this long after its last one. */
const VARIANT_DAYS = 30
/** At a time: each takes its jobs with it, which may be 20,000 rows. */
const BATCH = 5

/**
 * Removes some evaluations that nothing keeps: not marked, without a build that is kept, not the newest that succeeded, not the one that others are compared with
 * or equal to while these run. Gives their ids.
 */
export async function removeOldEvaluations(db: Database): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    with ranked as (
      select v.id, v.variant, v.ended_at, s.keep, row_number() over (partition by v.jobset_id, v.variant order by v.id desc) as place,
        v.state = 'succeeded' and v.id = max(v.id) filter (where v.state = 'succeeded') over (partition by v.jobset_id, v.variant) as newest_success
      from evaluation v join jobset s on s.id = v.jobset_id where s.keep > 0 and not v.keep
    ), old as (
      select r.id from ranked r
      where r.ended_at is not null and ((r.variant = '' and r.place > r.keep and not r.newest_success) or (r.variant <> '' and (r.place > 1 or r.ended_at < now() - make_interval(days => ${VARIANT_DAYS}))))
        and not exists (select from evaluation u where u.previous_id = r.id and u.ended_at is null)
        and not exists (select from job j join node n on n.key = j.node_key join build_result b on b.node_id = n.id and b.keep where j.evaluation_id = r.id)
      order by r.id limit ${BATCH}
    )
    delete from evaluation v using old where v.id = old.id returning v.id`.execute(db)
  return rows.map((row) => row.id)
}
