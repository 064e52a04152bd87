import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { stripVTControlCharacters as plain } from 'node:util'
import type { FarmEvent } from '../../contract/api.ts'
import { LiveModel } from './model.ts'
import { drawModel, plainView } from './views.ts'

let id = 0
function event(kind: string, seconds: number, data: Record<string, unknown>, buildId: number | null = null): FarmEvent {
  return { id: ++id, evaluationId: 1, buildId, kind, data, at: new Date(1_700_000_000_000 + seconds * 1000).toISOString() }
}

/** A run with a download, a build that goes well, one that fails, and what failed because of it. */
const RUN: readonly FarmEvent[] = [
  event('evaluation.state', 0, { state: 'evaluating' }),
  event('evaluation.progress', 1, { attributesDone: 3, attributesWaiting: 2, needsOutstanding: 4 }),
  event('evaluation.warn', 1, { text: 'old name' }),
  event('job.found', 1, { attr: 'zlib', name: 'zlib-1' }),
  event('job.error', 1, { attr: 'broken', error: 'attribute \'x\' missing' }),
  event('build.queued', 1, { name: 'src.tar' }, 10),
  event('build.started', 2, { name: 'src.tar', worker: 'w1', step: 'fetching' }, 10),
  event('build.step', 3, { step: 'fetching', fetchedBytes: 1000, totalBytes: 4000 }, 10),
  event('build.step', 4, { step: 'fetching', fetchedBytes: 3000, totalBytes: 4000 }, 10),
  event('build.ended', 5, { name: 'src.tar', outcome: { status: 'succeeded', how: 'fetched' }, figures: { fetchedBytes: 4000 } }, 10),
  event('build.started', 5, { name: 'zlib-1', worker: 'w1', step: 'building' }, 11),
  event('build.ended', 65, { name: 'zlib-1', outcome: { status: 'succeeded', how: 'built' }, figures: { storedBytes: 700 } }, 11),
  event('build.started', 65, { name: 'bad-1', worker: 'w2', step: 'building' }, 12),
  event('build.ended', 66, { name: 'bad-1', outcome: { status: 'failed', cached: true, cause: { kind: 'builder-failed', exitCode: 2 }, logTail: ['cc: no such file'] } }, 12),
  event('build.ended', 66, { name: 'top-1', outcome: { status: 'failed', cached: false, cause: { kind: 'dependency-failed', node: 'k', buildId: 12, name: 'bad-1', cause: { kind: 'builder-failed', exitCode: 2 } } } }, 13),
  event('build.started', 67, { name: 'perl-5', worker: 'w1', step: 'building' }, 14),
  event('build.started', 68, { name: 'big.deb', worker: 'w1', step: 'fetching' }, 15),
  event('build.step', 69, { step: 'fetching', fetchedBytes: 2_500_000, totalBytes: 10_000_000 }, 15),
]

describe('live view', () => {
  it('counts what events say, bytes once', () => {
    const model = new LiveModel()
    for (const one of RUN) model.apply(one)
    assert.deepEqual(model.ended, { built: 1, fetched: 1, substituted: 0, valid: 0, failed: 2 })
    assert.equal(model.fetchedBytes, 4000 + 2_500_000)
    assert.equal(model.uploadedBytes, 700)
    assert.equal(model.running.size, 2)
    assert.equal(model.queued.size, 0)
    assert.equal(model.state, 'evaluating')
  })

  it('writes a line for what started and ended where it is no terminal', () => {
    const model = new LiveModel()
    const lines: string[] = []
    const view = plainView((line) => lines.push(plain(line)))
    for (const one of RUN) {
      const notice = model.apply(one)
      if (notice) view.notice(notice)
    }
    assert.deepEqual(lines, [
      'evaluation: evaluating',
      'warning: old name',
      '✗ broken: attribute \'x\' missing',
      'src.tar (build 10): fetching on w1',
      'src.tar (build 10): fetched after 3.0 s',
      'zlib-1 (build 11): building on w1',
      'zlib-1 (build 11): built after 1 m 00 s',
      'bad-1 (build 12): building on w2',
      '✗ bad-1 (build 12) after 1.0 s: builder failed with exit code 2 (remembered from an earlier run)',
      '  │ cc: no such file',
      '✗ top-1 (build 13): dependency bad-1 (build 12) failed: builder failed with exit code 2',
      'perl-5 (build 14): building on w1',
      'big.deb (build 15): fetching on w1',
    ])
  })

  it('draws attributes, nodes, bytes and what runs, the longest first, within the terminal', () => {
    const model = new LiveModel()
    for (const one of RUN) model.apply(one)
    const start = 1_700_000_000_000
    assert.deepEqual(plain(drawModel('evaluation 1', model, 7, start, start + 90_000, 80, 24)).split('\n'), [
      'evaluation 1  evaluating  1 m 30 s',
      '  attributes  3 evaluated, 2 waiting, 4 imports outstanding, 1 failed',
      '  nodes       2 done, 2 running, 7 waiting, 2 failed',
      '  moved       2.4 MiB fetched, 700 B uploaded',
      '  building    perl-5  23 s',
      '  fetching    big.deb  22 s  2.4 MiB of 9.5 MiB',
    ])
    for (let build = 100; build < 130; build++) model.apply(event('build.started', 80, { name: `many-${build}`, step: 'building' }, build))
    const lines = plain(drawModel('evaluation 1', model, 0, start, start + 90_000, 40, 12)).split('\n')
    assert.equal(lines.length, 10)
    assert.match(lines.at(-1)!, /… and 27 more/)
    assert.ok(lines.every((line) => line.length < 40))
  })
})
