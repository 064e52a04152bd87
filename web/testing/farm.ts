/** A farm of rows for tests of the dashboard: the real API over a real database, with something of everything in it, and much of it where asked. */
import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import { PAGES } from '../../infra/setup/pages.ts'
import { addLogChunk } from '../../state/logs.ts'
import { registerWorker } from '../../state/workers.ts'
import type { Entry } from '../../store/ingest/interface.ts'
import { addTree } from '../../store/testing/memory-store.ts'
import { startTestApi, type TestApi } from '../../api/testing/api.ts'
import { addAttempt, addEvaluation, addInput, addJob, addNode } from '../../api/testing/farm-rows.ts'

type AddedNode = Awaited<ReturnType<typeof addNode>>

export interface Rows {
  readonly farm: TestApi
  readonly evaluation: number
  readonly top: number
  readonly leaf: number
  /** Base name of a store path that refers to another. */
  readonly path: string
  readonly file: string
  readonly job: string
  /** Runs, and writes to its log. */
  readonly running: number
}

export async function startFarmOfRows(): Promise<Rows> {
  const farm = await startTestApi({ pages: PAGES })
  const { db } = farm.dependencies.database
  const cause = { kind: 'builder-failed', exitCode: 2 } as const
  await registerWorker(db, { id: 'builder-1', host: 'glacier', systems: ['x86_64-linux', 'i686-linux'], features: ['kvm', 'big-parallel'], slots: 8 })
  // it stays alive for as long as the test runs
  await sql`update worker set seen_at = now() + interval '1 day'`.execute(db)
  const leaf = await addNode(db, { name: 'openssl-3.0.15', state: 'failed', outcome: { status: 'failed', cause, cached: true, logTail: ['crypto/err.c:41: undefined reference', 'make: *** [all] Error 2'] } })
  const source = await addNode(db, { name: 'openssl-3.0.15.tar.gz', kind: 'fetch', state: 'succeeded', outcome: { status: 'succeeded', how: 'fetched' } })
  const top = await addNode(db, { name: 'curl-8.10.1', state: 'failed', outcome: { status: 'failed', cached: false, cause: { kind: 'dependency-failed', node: leaf.key, buildId: leaf.id, name: 'openssl-3.0.15', cause } } })
  const running = await addNode(db, { name: 'gcc-13.3.0', state: 'running' })
  const waiting = await addNode(db, { name: 'hello-2.12.1', state: 'waiting' })
  const path = await addPaths(farm)
  const done = await addNode(db, { name: 'firn-tools-2.3', key: path, state: 'succeeded', outcome: { status: 'succeeded', how: 'built' } })
  const queued = await addNode(db, { name: 'linux-6.6', state: 'queued', system: 'aarch64-linux' })
  for (const [node, input] of [[leaf, source], [top, leaf], [waiting, running]] as const) await addInput(db, node.key, input.key)
  const attempt = await addAttempt(db, leaf.id, { ended: true, worker: 'builder-1', outcome: { status: 'failed', cause, cached: true } })
  const log = Array.from({ length: 3000 }, (_, line) => (line === 2700 ? '\u001b[31merror:\u001b[0m undefined reference to `ERR_new\'' : `cc -c crypto/file${line}.c`)).join('\n')
  await addLogChunk(db, attempt, 0, 0, Buffer.from(`${log}\nmake: *** [all] Error 2\n`))
  const compiling = await addAttempt(db, running.id, { worker: 'builder-1' })
  await addLogChunk(db, compiling, 0, 0, Buffer.from('checking for a C compiler... cc\nchecking whether it works... yes\n'))
  const continueHistory = await addHistory(farm, top)
  const evaluation = await addEvaluation(db, 'building')
  for (const [attr, node] of [['curl', top], ['hello', waiting], ['linux.arm', queued], ['gcc', running], ['firn-tools', done]] as const) await addJob(db, evaluation, attr, node)
  await addJob(db, evaluation, 'broken', { error: 'error: undefined variable \'pkgz\'\n       at /x.nix:3:5:' })
  for (const { key } of [leaf, source]) await db.insertInto('evaluation_node').values({ evaluation_id: evaluation, node_key: key }).execute()
  await sql`update node set queued_at = now() - interval '9 minutes', started_at = now() - interval '8 minutes' where state in ('failed', 'running', 'succeeded')`.execute(db)
  await sql`update node set ended_at = now() - interval '2 minutes' where state in ('failed', 'succeeded')`.execute(db)
  await continueHistory(evaluation)
  return { farm, evaluation, top: top.id, leaf: leaf.id, running: running.id, path, file: 'bin/firn-melt', job: 'curl' }
}

/** A project whose jobset has evaluations, each with jobs that fared differently; what it gives makes another one its newest. */
async function addHistory(farm: TestApi, curl: AddedNode): Promise<(newest: number) => Promise<void>> {
  const { db } = farm.dependencies.database
  for (const [path, body] of [
    ['ice', { displayName: 'Ice', description: 'Everything that is cold.', homepage: 'https://ice.example.org' }],
    ['ice/jobsets/trunk', { description: 'The newest of everything.', state: 'disabled', pollSeconds: 300, source: { kind: 'expression', input: 'src', file: 'release.nix' }, inputs: { src: { kind: 'git', url: 'https://git.example.org/ice', ref: 'main' } } }],
    ['ice/jobsets/stable', { state: 'disabled', source: { kind: 'flake', url: 'git+https://git.example.org/ice?ref=stable' }, inputs: {} }],
  ] as const) {
    const { status, body: answer } = await farm.send('PUT', `/api/v1/projects/${path}`, body)
    if (status !== 201) throw new Error(`PUT ${path}: ${status} ${JSON.stringify(answer)}`)
  }
  const { id: trunk } = await db.selectFrom('jobset').select('id').where('name', '=', 'trunk').executeTakeFirstOrThrow()
  // it shows as one that is looked after; a jobset that the API enables would be, by a workflow that nobody runs here
  await db.updateTable('jobset').set({ state: 'enabled', checked_at: new Date() }).where('id', '=', trunk).execute()
  const good = await Promise.all(HISTORY_JOBS.map((name) => addNode(db, { name, state: 'succeeded', outcome: { status: 'succeeded', how: 'built' } })))
  let previous: number | null = null
  for (const [round, state] of ['succeeded', 'failed', 'succeeded', 'cancelled', 'failed', 'succeeded', 'failed'].entries()) {
    const id = await addEvaluation(db, state)
    if (state !== 'succeeded') await addJob(db, id, 'curl', curl)
    await addGood(id, 12 + round * 4)
    await become(id, round, previous)
    previous = id
  }
  return async (newest) => {
    await addGood(newest, 20)
    await become(newest, 7, previous)
  }

  async function addGood(id: number, count: number): Promise<void> {
    for (const [index, node] of good.slice(0, count).entries()) await addJob(db, id, HISTORY_JOBS[index]!.replace(/-[0-9].*/, ''), node)
  }

  async function become(id: number, round: number, before: number | null): Promise<void> {
    const revision = createHash('sha1').update(String(round)).digest('hex')
    await sql`update evaluation set jobset_id = ${trunk}, previous_id = ${before}, cause = '{"kind": "poll"}', created_at = now() - ${(8 - round) * 47} * interval '1 minute',
      started_at = now() - ${(8 - round) * 47} * interval '1 minute', evaluated_at = now() - ${(8 - round) * 47 - 2} * interval '1 minute', ended_at = case when state in ('succeeded', 'failed', 'cancelled') then now() - ${(8 - round) * 47 - 20} * interval '1 minute' end,
      inputs = ${JSON.stringify({ src: { kind: 'git', url: 'https://git.example.org/ice', ref: 'main', revision } })} where id = ${id}`.execute(db)
  }
}

const HISTORY_JOBS = ['bash-5.2p37', 'coreutils-9.5', 'findutils-4.10.0', 'gnugrep-3.11', 'gnused-4.9', 'gawk-5.3.1', 'gnutar-1.35', 'gzip-1.13', 'bzip2-1.0.8', 'xz-5.6.3', 'zstd-1.5.6', 'zlib-1.3.1', 'ncurses-6.4', 'readline-8.2p13', 'perl-5.40.0', 'python3-3.12.7', 'git-2.47.0', 'vim-9.1.0765', 'tmux-3.5a', 'rsync-3.3.0', 'nginx-1.26.2', 'postgresql-17.1', 'redis-7.2.6', 'sqlite-3.46.1', 'ffmpeg-7.1', 'imagemagick-7.1.1', 'graphviz-12.1.2', 'pandoc-3.5', 'jq-1.7.1', 'ripgrep-14.1.1', 'fd-10.2.0', 'bat-0.24.0', 'hyperfine-1.18.0', 'tokei-12.1.2', 'fish-3.7.1', 'zsh-5.9', 'emacs-29.4', 'neovim-0.10.2', 'mesa-24.2.6', 'systemd-256.7']

/** A path that refers to another, both of them here with their files; gives its base name. */
async function addPaths({ dependencies: { store } }: TestApi): Promise<string> {
  const library = await addTree(store, 'glacier-1.0', folder({ 'lib/libglacier.so': 'not really a library\n', 'share/doc/README': 'Slow, but steady.\n' }))
  const program = await addTree(store, 'firn-tools-2.3', folder({ 'bin/firn-melt': '#!/bin/sh\necho melting\n', 'share/man/man1/firn-melt.1': '.TH FIRN-MELT 1\n' }), [library.storePath])
  return program.storePath.baseName
}

/** Files by their path. */
async function* folder(files: Readonly<Record<string, string>>): AsyncGenerator<Entry> {
  const seen = new Set<string>()
  for (const [path, text] of Object.entries(files)) {
    for (let end = 0; end !== -1; end = path.indexOf('/', end + 1)) {
      const parent = path.slice(0, end)
      if (!seen.has(parent)) yield { kind: 'directory', path: parent }
      seen.add(parent)
    }
    yield await Promise.resolve<Entry>({ kind: 'file', path, executable: path.startsWith('bin/'), content: new TextEncoder().encode(text) })
  }
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
