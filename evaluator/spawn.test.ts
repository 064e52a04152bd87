/** The evaluator's process: what it says, in which order, and how its end is told. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { EvaluationRequest, EvaluationSettings, EvaluatorMessage } from '../contract/evaluations.ts'
import { FirnError } from '../contract/errors.ts'
import { spawnEvaluator, type EvaluatorHandle, type SpawnOptions } from './spawn.ts'

const SETTINGS: EvaluationSettings = {
  currentSystem: 'x86_64-linux', nixVersion: '2.26.0', mode: 'impure', allowedUris: [], allowedPaths: [], searchPath: [], allowImportFromDerivation: true, showTrace: false,
}
const REQUEST: Omit<EvaluationRequest, 'source'> = { attributes: [], arguments: {}, recurse: true, settings: {}, dryRun: true, priority: 0 }

let folder: string
before(() => { folder = mkdtempSync(join(tmpdir(), 'firn-spawn-')) })
after(() => rmSync(folder, { recursive: true, force: true }))

/** Starts a process on an expression; `each` sees every message as it comes. */
async function run(text: string, each: (message: EvaluatorMessage, evaluator: EvaluatorHandle) => void = () => undefined, options: SpawnOptions = {}): Promise<EvaluatorMessage[]> {
  const evaluator = spawnEvaluator(options)
  const messages: EvaluatorMessage[] = []
  await evaluator.send({ kind: 'start', request: { ...REQUEST, source: { kind: 'expression', text, basePath: folder } }, settings: SETTINGS, localStore: join(folder, 'store'), journal: {} })
  for await (const message of evaluator.messages) {
    messages.push(message)
    each(message, evaluator)
  }
  await evaluator.ended
  return messages
}

const kinds = (messages: readonly EvaluatorMessage[]): string[] => messages.map((message) => message.kind).filter((kind) => kind !== 'progress')

test('content comes before what refers to it, and `finished` last', async () => {
  writeFileSync(join(folder, 'source'), 'x')
  const messages = await run('{ a = derivation { name = "a"; system = "x"; builder = "/b"; src = ./source; text = builtins.toFile "t" "y"; }; b = throw "no"; }')
  assert.deepEqual(kinds(messages), ['ready', 'source', 'text', 'derivation', 'job', 'job-error', 'finished'])
  assert.equal(messages.find((message) => message.kind === 'job')?.job.drvPath, messages.find((message) => message.kind === 'derivation')?.drvPath)
})

test('an import from a derivation waits for the answer, and goes on with it', async () => {
  const written = new Map<string, Uint8Array>()
  const messages = await run(
    'let d = derivation { name = "generated"; system = "x"; builder = "/b"; }; in { a = derivation { name = import d; system = "x"; builder = "/b"; }; }',
    (message, evaluator) => {
      if (message.kind === 'derivation') written.set(message.drvPath, message.aterm)
      if (message.kind !== 'needs') return
      const [need] = message.needs
      assert.ok(need?.kind === 'realise')
      const localPath = join(folder, 'answer')
      writeFileSync(localPath, '"built"')
      const storePath = /\("out","([^"]+)"/.exec(Buffer.from(written.get(need.drvPath)!).toString('latin1'))![1]!
      void evaluator.send({ kind: 'answers', answers: [{ key: need.key, ok: true, storePath, localPath }] })
    },
  )
  assert.deepEqual(kinds(messages).slice(-4), ['idle', 'derivation', 'job', 'finished'])
  assert.equal(messages.find((message) => message.kind === 'job')?.job.name, 'built')
})

test('deep recursion ends with an error of the evaluation, not of the process', async () => {
  const messages = await run('let f = n: 1 + f (n + 1); in f 0')
  const finished = messages.at(-1)
  assert.ok(finished?.kind === 'finished')
  assert.match(finished.error?.message ?? '', /stack overflow; max-call-depth exceeded/)
})

test('a process that is kept evaluates again, and only what changed', async () => {
  const file = join(folder, 'kept.nix')
  const write = (name: string): void => writeFileSync(file, `{ a = builtins.trace "a" (derivation { name = "${name}"; system = "x"; builder = "/b"; }); b = derivation { name = "b"; system = "x"; builder = "/b"; }; }`)
  const evaluator = spawnEvaluator()
  const evaluate = async (): Promise<string[]> => {
    await evaluator.send({ kind: 'start', request: { ...REQUEST, source: { kind: 'file', path: file } }, settings: SETTINGS, localStore: join(folder, 'store'), journal: {}, keep: true })
    const said: string[] = []
    for await (const message of evaluator.messages) {
      if (message.kind === 'job') said.push(message.job.name)
      else if (message.kind === 'derivation' || message.kind === 'trace') said.push(message.kind)
      if (message.kind === 'finished') break
    }
    return said
  }
  write('first')
  assert.deepEqual(await evaluate(), ['trace', 'derivation', 'first', 'derivation', 'b'])
  assert.deepEqual(await evaluate(), ['trace', 'first', 'b'])
  write('second')
  assert.deepEqual(await evaluate(), ['trace', 'derivation', 'second', 'b'])
  await evaluator.stop()
  await evaluator.ended
})

test('a process that is stopped ends quietly', async () => {
  const evaluator = spawnEvaluator()
  for await (const message of evaluator.messages) {
    assert.equal(message.kind, 'ready')
    await evaluator.stop()
  }
  await evaluator.ended
})

test('a process that is killed is told so', async () => {
  const evaluator = spawnEvaluator()
  for await (const message of evaluator.messages) if (message.kind === 'ready') process.kill(evaluator.processId!, 'SIGKILL')
  await assert.rejects(evaluator.ended, (error) => error instanceof FirnError && error.kind === 'killed' && error.message.includes('SIGKILL'))
})

test('a process beyond its memory is told so', async () => {
  const hungry = 'builtins.foldl\' (all: n: all ++ [ (builtins.genList (i: i * n) 100000) ]) [ ] (builtins.genList (n: n) 100000)'
  await assert.rejects(run(`builtins.deepSeq (${hungry}) 1`, undefined, { memoryMegabytes: 64 }), (error) => error instanceof FirnError && error.kind === 'exhausted')
})

test('an aborted process is gone', async () => {
  const controller = new AbortController()
  const evaluator = spawnEvaluator({ signal: controller.signal })
  for await (const message of evaluator.messages) if (message.kind === 'ready') controller.abort()
  await assert.rejects(evaluator.ended, (error) => error instanceof FirnError && error.kind === 'killed')
})
