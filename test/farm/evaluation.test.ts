import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { hashBytes } from '../../nix/hash.ts'
import { narOfFile } from '../../nix/nar-writer.ts'
import { parseBaseName } from '../../nix/store-path.ts'
import { retryEvaluation } from '../../state/retry.ts'
import { startTestFarm, type TestFarm } from '../support/farm.ts'

let farm: TestFarm
before(async () => { farm = await startTestFarm({ settings: { 'worker.evaluationSlots': '1', 'evaluator.processes': '2' } }) })
after(async () => { await farm.stop() })

const PRELUDE = `
let
  system = "x86_64-linux";
  run = name: script: derivation { inherit name system; builder = "/bin/sh"; args = [ "-c" script ]; };
  range = first: last: if first > last then [ ] else [ first ] ++ range (first + 1) last;
in
`

async function evaluate(text: string, attributes: readonly string[] = []): Promise<number> {
  return await farm.submit({ source: { kind: 'expression', text: PRELUDE + text, basePath: '/' }, attributes })
}

async function jobs(id: number) {
  return await farm.database.db.selectFrom('job').select(['attr', 'name', 'drv_path', 'error', 'through_import']).where('evaluation_id', '=', id).orderBy('attr').execute()
}

async function putText(baseName: string, text: string): Promise<void> {
  const content = Buffer.from(text)
  const archive = Buffer.concat(narOfFile(content))
  const upload = farm.store.blobs.upload()
  const { digest, size } = await upload.add(content)
  await upload.finish()
  await farm.store.pathInfos.put([{
    storePath: parseBaseName(baseName), root: { kind: 'file', digest, size, executable: false }, narHash: hashBytes('sha256', archive), narSize: archive.length, references: [], signatures: [], registeredAt: new Date(), ultimate: false,
  }])
}

/** Processes of the worker's evaluators. */
function evaluators(): number[] {
  return execFileSync('ps', ['-eo', 'pid,ppid,args'], { encoding: 'utf8' }).split('\n').map((line) => line.trim().split(/\s+/))
    .filter(([, parent, ...args]) => parent === String(farm.worker.process.pid) && args.join(' ').includes('evaluator/main.ts')).map(([pid]) => Number(pid))
}

test('an import from a derivation is built while the evaluation waits, and the job that needs it follows', async () => {
  const id = await evaluate(`run (import (run "name" "sleep 1; echo '\\"the-name\\"' > $out")) "echo hello > $out"`)
  const ended = await farm.ended(id)
  assert.deepEqual([ended.state, ended.error], ['succeeded', null])
  assert.deepEqual((await jobs(id)).map((job) => job.name), ['the-name'])
})

test('independent imports are built side by side, by an evaluation that holds no slot while it waits', async () => {
  const start = Date.now()
  const wide = await evaluate(`map (n: run "job-\${toString n}" "echo \${import (run "import-\${toString n}" "sleep 6; echo '\\"content\\"' > $out")} > $out") (range 1 8)`)
  // there is one slot: this one gets it only when the first gives it back
  while ((await farm.database.db.selectFrom('node').select('id').where('name', '=', 'import-8').where('state', '=', 'running').execute()).length === 0) await sleep(20)
  const other = await evaluate('run "quick" "echo quick > $out"')
  assert.equal((await farm.ended(other)).state, 'succeeded')
  const otherEnded = Date.now()
  assert.equal((await farm.ended(wide)).state, 'succeeded')
  assert.ok(otherEnded < Date.now(), 'the second was done first')
  assert.ok(Date.now() - start < 48_000, 'not one after the other')
  assert.equal((await jobs(wide)).length, 8)
})

test('an import that fails fails its attribute with the reason; the rest goes on; a retry evaluates it again', async () => {
  const id = await evaluate(`{
    bad = run (import (run "broken" "echo it is broken; exit 7")) "echo > $out";
    good = run "good-job" "echo > $out";
  }`, ['bad', 'good'])
  assert.equal((await farm.ended(id)).state, 'failed')
  const [bad, good] = await jobs(id)
  assert.match(bad!.error!, /exit code 7/)
  assert.match(bad!.error!, /it is broken/)
  assert.equal(bad!.through_import, true)
  assert.equal(good!.name, 'good-job')

  // somebody uploads what could not be built: a retry finds it, and evaluates the attribute again
  const broken = await farm.database.db.selectFrom('node').select('key').where('name', '=', 'broken').executeTakeFirstOrThrow()
  await putText(broken.key, '"now-there"')
  const retried = await retryEvaluation(farm.database.db, farm.motion, id)
  assert.equal(retried.evaluationRestarted, true)
  const ended = await farm.ended(id)
  assert.deepEqual([ended.state, ended.error], ['succeeded', null])
  assert.deepEqual((await jobs(id)).map((job) => job.name), ['now-there', 'good-job'])
})

test('the evaluator\'s process is killed while imports are outstanding: another takes its place and agrees', async () => {
  const id = await evaluate('run (import (run "slow-import" "sleep 5; echo \'\\"after-kill\\"\' > $out")) "echo > $out"')
  while ((await farm.database.db.selectFrom('node').select('id').where('name', '=', 'slow-import').where('state', '=', 'running').execute()).length === 0) await sleep(20)
  const pids = evaluators()
  // those that are kept for another evaluation die too, and aren't used again
  assert.ok(pids.length >= 1)
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  assert.equal((await farm.ended(id)).state, 'succeeded')
  assert.deepEqual((await jobs(id)).map((job) => job.name), ['after-kill'])
})

test('many attributes are shared by two processes; when one dies they are evaluated again, and each is one job', async () => {
  const before = new Set(evaluators())
  const id = await farm.submit({
    source: { kind: 'expression', basePath: '/', text: `${PRELUDE} let slow = n: builtins.foldl' builtins.add n (builtins.genList (x: x) 400000); shared = import (run "shared-import" "echo 7 > $out");
      in builtins.listToAttrs (map (n: { name = "job-\${toString n}"; value = run "job-\${toString n}" "echo \${toString (slow n + shared)} > $out"; }) (range 1 200))` },
    recurse: true, dryRun: true,
  })
  // the first of them may be one that was started ahead
  let added: number[] = []
  while (added.length === 0 || (await farm.database.db.selectFrom('job').select('attr').where('evaluation_id', '=', id).limit(1).execute()).length === 0) {
    await sleep(5)
    added = evaluators().filter((pid) => !before.has(pid))
  }
  for (const pid of added) process.kill(pid, 'SIGKILL')
  assert.equal((await farm.ended(id)).state, 'succeeded')
  assert.equal((await farm.database.db.selectFrom('event').select('kind').where('evaluation_id', '=', id).where('kind', '=', 'evaluation.restarted').execute()).length, 1)
  const found = await jobs(id)
  assert.equal(new Set(found.map((job) => job.drv_path)).size, 200)
  assert.deepEqual([found.length, found.filter((job) => job.error !== null).length], [200, 0])
})

test('an error of the whole is the evaluation\'s error, with its place', async () => {
  const id = await evaluate('{ a = ; }')
  const ended = await farm.ended(id)
  assert.equal(ended.state, 'failed')
  assert.match(ended.error ?? '', /syntax error/)
})
