/** A farm of rows for tests of the dashboard: the real API over a real database, with something of everything in it, and much of it where asked. */
import { sql } from 'kysely'
import { PAGES } from '../../infra/setup/pages.ts'
import { addLogChunk } from '../../state/logs.ts'
import { registerWorker } from '../../state/workers.ts'
import { startTestApi, type TestApi } from '../../api/testing/api.ts'
import { addAttempt, addEvaluation, addInput, addJob, addNode } from '../../api/testing/farm-rows.ts'

export interface Rows {
  readonly farm: TestApi
  readonly evaluation: number
  readonly top: number
  readonly leaf: number
}

export async function startFarmOfRows(): Promise<Rows> {
  const farm = await startTestApi({ pages: PAGES })
  const { db } = farm.dependencies.database
  const cause = { kind: 'builder-failed', exitCode: 2 } as const
  await registerWorker(db, { id: 'builder-1', host: 'glacier', systems: ['x86_64-linux', 'i686-linux'], features: ['kvm', 'big-parallel'], slots: 8 })
  const leaf = await addNode(db, { name: 'openssl-3.0.15', state: 'failed', outcome: { status: 'failed', cause, cached: true, logTail: ['crypto/err.c:41: undefined reference', 'make: *** [all] Error 2'] } })
  const source = await addNode(db, { name: 'openssl-3.0.15.tar.gz', kind: 'fetch', state: 'succeeded', outcome: { status: 'succeeded', how: 'fetched' } })
  const top = await addNode(db, { name: 'curl-8.10.1', state: 'failed', outcome: { status: 'failed', cached: false, cause: { kind: 'dependency-failed', node: leaf.key, buildId: leaf.id, name: 'openssl-3.0.15', cause } } })
  const running = await addNode(db, { name: 'gcc-13.3.0', state: 'running' })
  const waiting = await addNode(db, { name: 'hello-2.12.1', state: 'waiting' })
  const queued = await addNode(db, { name: 'linux-6.6', state: 'queued', system: 'aarch64-linux' })
  for (const [node, input] of [[leaf, source], [top, leaf], [waiting, running]] as const) await addInput(db, node.key, input.key)
  const attempt = await addAttempt(db, leaf.id, { ended: false, worker: 'builder-1' })
  const log = Array.from({ length: 3000 }, (_, line) => (line === 2700 ? '\u001b[31merror:\u001b[0m undefined reference to `ERR_new\'' : `cc -c crypto/file${line}.c`)).join('\n')
  await addLogChunk(db, attempt, 0, 0, Buffer.from(`${log}\nmake: *** [all] Error 2\n`))
  await addAttempt(db, running.id, { worker: 'builder-1' })
  const evaluation = await addEvaluation(db, 'building')
  for (const [attr, node] of [['curl', top], ['hello', waiting], ['linux.arm', queued], ['gcc', running]] as const) await addJob(db, evaluation, attr, node)
  await addJob(db, evaluation, 'broken', { error: 'error: undefined variable \'pkgz\'\n       at /x.nix:3:5:' })
  for (const { key } of [leaf, source]) await db.insertInto('evaluation_node').values({ evaluation_id: evaluation, node_key: key }).execute()
  await sql`update node set queued_at = now() - interval '9 minutes', started_at = now() - interval '8 minutes' where state in ('failed', 'running', 'succeeded')`.execute(db)
  await sql`update node set ended_at = now() - interval '2 minutes' where state in ('failed', 'succeeded')`.execute(db)
  await sql`update evaluation set started_at = now() - interval '10 minutes'`.execute(db)
  for (const state of ['failed', 'succeeded', 'cancelled']) {
    const other = await addEvaluation(db, state)
    await addJob(db, other, 'curl', top)
    await addJob(db, other, 'gcc', running)
  }
  return { farm, evaluation, top: top.id, leaf: leaf.id }
}

/** An evaluation of so many jobs, `running` of them running, in a few statements. */
export async function addManyJobs({ farm }: Pick<Rows, 'farm'>, jobs: number, running: number): Promise<number> {
  const { db } = farm.dependencies.database
  const evaluation = await addEvaluation(db, 'building')
  await sql`insert into node (key, kind, name, system, drv_path, outputs, state, run, started_at, queued_at)
    select lpad('x' || g, 32, '0') || '-package-' || g, 'derivation', 'package-' || g || '-1.0', 'x86_64-linux', '/nix/store/' || lpad('d' || g, 32, '0') || '-package-' || g || '.drv', '{}',
      case when g <= ${running} then 'running' when g % 7 = 0 then 'waiting' else 'succeeded' end, 1, now() - (g % 600) * interval '1 second', now() - (g % 700) * interval '1 second'
    from generate_series(1, ${jobs}) g`.execute(db)
  await sql`insert into job (evaluation_id, attr, attr_path, name, system, drv_path, node_key, outputs)
    select ${evaluation}, 'pkgs.package' || lpad(g::text, 6, '0'), array['pkgs', 'package' || g], 'package-' || g || '-1.0', 'x86_64-linux', '/nix/store/' || lpad('d' || g, 32, '0') || '-package-' || g || '.drv', lpad('x' || g, 32, '0') || '-package-' || g, '{}'
    from generate_series(1, ${jobs}) g`.execute(db)
  await sql`insert into demand (node_key, evaluation_id, reason) select node_key, evaluation_id, 'job' from job where evaluation_id = ${evaluation}`.execute(db)
  await sql`insert into evaluation_node (evaluation_id, node_key) select evaluation_id, node_key from job where evaluation_id = ${evaluation}`.execute(db)
  return evaluation
}
