import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type { Job } from '../../contract/api.ts'
import type { Graph, LogIndex, LogMatches, SearchResult } from '../../contract/views.ts'
import { LineIndex } from '../../state/line-index.ts'
import { addLogChunk } from '../../state/logs.ts'
import { compressSeekable } from '../../store/blobs/seekable.ts'
import { streamOf } from '../../store/bytes.ts'
import { startTestApi, stopTemporal, type TestApi } from '../testing/api.ts'
import { addAttempt, addEvaluation, addInput, addJob, addNode } from '../testing/farm-rows.ts'

describe('what pages need', () => {
  let farm: TestApi
  before(async () => { farm = await startTestApi() })
  after(async () => {
    await farm.close()
    await stopTemporal()
  })
  const dbOf = () => farm.dependencies.database.db
  const get = async <T>(path: string): Promise<T> => {
    const { status, body } = await farm.get(path)
    assert.equal(status, 200, JSON.stringify(body))
    return body as T
  }

  it('an evaluation\'s graph: what failed and runs comes first, with what connects it', async () => {
    const leaf = await addNode(dbOf(), { name: 'leaf', state: 'succeeded', outcome: { status: 'succeeded', how: 'built' } })
    const middle = await addNode(dbOf(), { name: 'middle', state: 'running' })
    const top = await addNode(dbOf(), { name: 'top', state: 'waiting' })
    await addInput(dbOf(), top.key, middle.key)
    await addInput(dbOf(), middle.key, leaf.key)
    await addAttempt(dbOf(), middle.id, { worker: 'w9' })
    const evaluation = await addEvaluation(dbOf())
    await addJob(dbOf(), evaluation, 'top', top)
    for (const { key } of [middle, leaf]) await dbOf().insertInto('evaluation_node').values({ evaluation_id: evaluation, node_key: key }).execute()
    const { total, nodes } = await get<Graph>(`/api/v1/evaluations/${evaluation}/graph`)
    assert.equal(total, 3)
    assert.deepEqual(nodes.map(({ name, inputs, wanted, how, worker }) => ({ name, inputs, wanted, how, worker })), [
      { name: 'middle', inputs: [leaf.id], wanted: [], how: null, worker: 'w9' },
      { name: 'top', inputs: [middle.id], wanted: ['job'], how: null, worker: null },
      { name: 'leaf', inputs: [], wanted: [], how: 'built', worker: null },
    ])
    assert.deepEqual((await get<Graph>(`/api/v1/evaluations/${evaluation}/graph?limit=2`)).nodes.map(({ name, inputs }) => [name, inputs]), [['middle', []], ['top', [middle.id]]])

    const whole = await get<Graph>(`/api/v1/builds/${top.id}/graph`)
    assert.deepEqual([whole.total, whole.nodes.map(({ name }) => name).sort()], [3, ['leaf', 'middle', 'top']])
    const near = await get<Graph>(`/api/v1/builds/${top.id}/graph?limit=2`)
    assert.deepEqual([near.total, near.nodes.map(({ name }) => name)], [3, ['middle', 'top']], 'the nearest, and that there is more')
    assert.equal((await farm.get('/api/v1/builds/999999/graph')).status, 404)
  })

  it('search finds evaluations, jobs, builds and derivations', async () => {
    const node = await addNode(dbOf(), { name: 'glacier-1.0' })
    const evaluation = await addEvaluation(dbOf())
    await addJob(dbOf(), evaluation, 'pkgs.Glacier', node)
    const found = await get<SearchResult>('/api/v1/search?query=glacier')
    assert.deepEqual(found.jobs.map(({ attr, evaluationId }) => [attr, evaluationId]), [['pkgs.Glacier', evaluation]])
    assert.deepEqual(found.builds.map(({ id }) => id), [node.id])
    assert.deepEqual((await get<SearchResult>(`/api/v1/search?query=${node.drvPath}`)).builds.map(({ id }) => id), [node.id])
    assert.deepEqual((await get<SearchResult>(`/api/v1/search?query=${evaluation}`)).evaluations.map(({ id }) => id), [evaluation])
    assert.deepEqual(await get<SearchResult>('/api/v1/search?query=no-such-thing-%25'), { evaluations: [], projects: [], jobs: [], builds: [], paths: [] })
  })

  it('search finds commits, projects and jobsets', async () => {
    const revision = '0123456789abcdef0123456789abcdef01234567'
    await farm.send('PUT', '/api/v1/projects/ice', { displayName: 'Ice and snow' })
    const { status, body } = await farm.send('PUT', '/api/v1/projects/ice/jobsets/cores', { state: 'disabled', source: { kind: 'expression', input: 'src', file: '' }, inputs: { src: { kind: 'git', url: 'https://git.example.org/ice' } } })
    assert.equal(status, 201, JSON.stringify(body))
    const evaluation = await addEvaluation(dbOf())
    await dbOf().updateTable('evaluation').set({ inputs: JSON.stringify({ src: { kind: 'git', revision } }) as never }).where('id', '=', evaluation).execute()
    const byCommit = await get<SearchResult>('/api/v1/search?query=0123456789ab')
    assert.deepEqual(byCommit.evaluations.map(({ id, revision: found }) => [id, found]), [[evaluation, revision]])
    assert.deepEqual((await get<SearchResult>('/api/v1/search?query=snow')).projects, [{ project: 'ice', jobset: null }])
    assert.deepEqual((await get<SearchResult>('/api/v1/search?query=ice:c')).projects, [{ project: 'ice', jobset: 'cores' }])
  })

  it('jobs are filtered by a text, and brief where asked', async () => {
    const node = await addNode(dbOf(), { name: 'x' })
    const evaluation = await addEvaluation(dbOf())
    await addJob(dbOf(), evaluation, 'linux.One', node)
    await addJob(dbOf(), evaluation, 'other', { error: 'no' })
    const { items } = await get<{ items: Job[] }>(`/api/v1/evaluations/${evaluation}/jobs?contains=one&brief=true`)
    assert.deepEqual(items.map(({ attr, outputs }) => [attr, outputs]), [['linux.One', null]])
    assert.notEqual((await get<{ items: Job[] }>(`/api/v1/evaluations/${evaluation}/jobs?contains=one`)).items[0]!.outputs, null)
  })

  it('a log that grows is indexed, searched and read by range', async () => {
    const node = await addNode(dbOf(), { name: 'noisy', state: 'running' })
    const attempt = await addAttempt(dbOf(), node.id)
    const line = (n: number): string => `line ${n} é\n`
    const text = (from: number, to: number): string => Array.from({ length: to - from }, (_, i) => line(from + i)).join('')
    const first = Buffer.from(`${text(0, 2500)}Half`)
    await addLogChunk(dbOf(), attempt, 0, 0, first)
    const index = await get<LogIndex>(`/api/v1/builds/${node.id}/log/index`)
    assert.deepEqual({ ...index, offsets: index.offsets.length }, { attempt: 1, ended: false, bytes: first.length, lines: 2501, every: 1000, offsets: 3 })
    const ranged = await fetch(`${farm.api.url}/api/v1/builds/${node.id}/log`, { headers: { range: `bytes=${index.offsets[2]!}-${index.offsets[2]! + 20}` } })
    assert.deepEqual([ranged.status, ranged.headers.get('content-range')], [206, `bytes ${index.offsets[2]}-${index.offsets[2]! + 20}/*`])
    assert.match(await ranged.text(), /^line 2000 é\nline/)

    const found = await get<LogMatches>(`/api/v1/builds/${node.id}/log/search?query=LINE 24&limit=2`)
    assert.deepEqual(found.matches.map((match) => match.line), [24, 240])
    const more = await get<LogMatches>(`/api/v1/builds/${node.id}/log/search?query=LINE 24&from=${found.next}`)
    assert.deepEqual([more.matches.at(0)?.line, more.matches.at(-1), more.next], [241, { line: 2499, text: 'line 2499 é' }, null])

    await addLogChunk(dbOf(), attempt, 1, first.length, Buffer.from(' and whole\nlast\n'))
    const grown = await get<LogIndex>(`/api/v1/builds/${node.id}/log/index`)
    assert.deepEqual([grown.lines, grown.bytes], [2502, first.length + 16])
    assert.deepEqual((await get<LogMatches>(`/api/v1/builds/${node.id}/log/search?query=half`)).matches, [{ line: 2500, text: 'Half and whole' }])
    assert.equal((await farm.get('/api/v1/builds/999999/log/index')).status, 404)
  })

  it('a finished log is opened, searched and read at its end from the frames that hold it', async () => {
    const node = await addNode(dbOf(), { name: 'long', state: 'failed' })
    const attempt = await addAttempt(dbOf(), node.id, { ended: true })
    // half of it does not compress, so that what is read can be counted
    const lines = Array.from({ length: 60_000 }, (_, line) => `${line} ${randomBytes(60).toString('hex')}\n`)
    lines[50_000] = 'the needle\n'
    const text = Buffer.from(lines.join(''))
    const index = new LineIndex()
    index.extend(text)
    const upload = farm.dependencies.store.blobs.upload()
    const { digest } = await upload.addStream(compressSeekable(streamOf(text), () => index.encode()))
    await upload.finish()
    await dbOf().updateTable('attempt').set({ log_blob: digest, log_bytes: text.length }).where('id', '=', attempt).execute()

    const { blobs } = farm.dependencies.store
    let read = 0
    const open = blobs.open.bind(blobs)
    blobs.open = async function* (...of) {
      for await (const bytes of open(...of)) {
        read += bytes.length
        yield bytes
      }
    }
    const costOf = async <T>(ask: () => Promise<T>): Promise<{ answer: T; read: number }> => {
      read = 0
      return { answer: await ask(), read }
    }
    const opened = await costOf(() => get<LogIndex>(`/api/v1/builds/${node.id}/log/index`))
    assert.deepEqual([opened.answer.lines, opened.answer.bytes, opened.answer.offsets.length], [60_000, text.length, 61])
    assert.ok(opened.read < 100_000, `to open it, ${opened.read} bytes were read`)
    const end = await costOf(async () => (await farm.get(`/api/v1/builds/${node.id}/log?tail=2`)).body)
    assert.equal(end.answer, lines.slice(-2).join(''))
    const start = opened.answer.offsets[50]!
    const range = await costOf(async () => (await farm.get(`/api/v1/builds/${node.id}/log`, { range: `bytes=${start}-${start + 10}` })).body)
    assert.equal(range.answer, 'the needle\n')
    const found = await costOf(() => get<LogMatches>(`/api/v1/builds/${node.id}/log/search?query=NEEDLE&from=45000`))
    assert.deepEqual(found.answer.matches, [{ line: 50_000, text: 'the needle' }])
    // a frame is a megabyte
    for (const [what, cost] of Object.entries({ end, range })) assert.ok(cost.read < 2_500_000, `${what}: ${cost.read} of ${text.length} bytes were read`)
    assert.ok(found.read < text.length / 3, `searched from line 45,000 on: ${found.read} of ${text.length} bytes were read`)
  })

  it('a search looks through a part of a long log, and says where to go on', async () => {
    const node = await addNode(dbOf(), { name: 'longer', state: 'running' })
    const attempt = await addAttempt(dbOf(), node.id)
    const part = Buffer.from(`${'x'.repeat(999)}\n`.repeat(5000))
    for (let seq = 0; seq < 16; seq++) await addLogChunk(dbOf(), attempt, seq, seq * part.length, part)
    await addLogChunk(dbOf(), attempt, 16, 16 * part.length, Buffer.from('the needle\n'))
    const first = await get<LogMatches>(`/api/v1/builds/${node.id}/log/search?query=needle`)
    assert.deepEqual(first.matches, [])
    assert.ok(first.next !== null && first.next > 50_000 && first.next < 80_000, String(first.next))
    const second = await get<LogMatches>(`/api/v1/builds/${node.id}/log/search?query=needle&from=${first.next}`)
    assert.deepEqual([second.matches, second.next], [[{ line: 80_000, text: 'the needle' }], null])
  })

  it('a line beyond all measure is searched too', async () => {
    const node = await addNode(dbOf(), { name: 'one-line', state: 'running' })
    const attempt = await addAttempt(dbOf(), node.id)
    const part = Buffer.alloc(6 * 1024 * 1024, 'x')
    for (let seq = 0; seq < 4; seq++) await addLogChunk(dbOf(), attempt, seq, seq * part.length, part)
    await addLogChunk(dbOf(), attempt, 4, 4 * part.length, Buffer.from('needle\nafter\n'))
    const { matches } = await get<LogMatches>(`/api/v1/builds/${node.id}/log/search?query=needle`)
    assert.deepEqual(matches.map(({ line }) => line), [0])
    assert.deepEqual((await get<LogMatches>(`/api/v1/builds/${node.id}/log/search?query=after`)).matches, [{ line: 1, text: 'after' }])
  })

  it('referrers of a path that is not there are not found', async () => {
    assert.equal((await farm.get('/api/v1/store/00000000000000000000000000000000-x/referrers')).status, 404)
  })
})
