import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Request } from 'express'
import { HttpError } from './problem.ts'
import { requestedRange } from './range.ts'

const rangeOf = (range: string | undefined, size: number, ifRange?: string, etag?: string) => requestedRange({ headers: { range, 'if-range': ifRange } } as unknown as Request, size, etag)

test('ranges as curl, Nix and browsers ask for them', () => {
  assert.equal(rangeOf(undefined, 100), undefined)
  assert.deepEqual(rangeOf('bytes=0-', 100), { start: 0, end: 100 })
  assert.deepEqual(rangeOf('bytes=10-19', 100), { start: 10, end: 20 })
  assert.deepEqual(rangeOf('bytes=90-500', 100), { start: 90, end: 100 })
  assert.deepEqual(rangeOf('bytes=-7', 100), { start: 93, end: 100 })
  assert.deepEqual(rangeOf('bytes=-700', 100), { start: 0, end: 100 })
})

test('what is not understood is answered with the whole', () => {
  for (const range of ['bytes=', 'bytes=-', 'bytes=5-2', 'bytes=0-1,5-6', 'lines=0-1', 'bytes=a-b']) assert.equal(rangeOf(range, 100), undefined, range)
})

test('a range beyond the end is 416 and tells the size', () => {
  for (const range of ['bytes=100-', 'bytes=-0', 'bytes=5000-6000']) {
    assert.throws(() => rangeOf(range, 100), (error) => error instanceof HttpError && error.status === 416 && error.headers['Content-Range'] === 'bytes */100', range)
  }
  assert.throws(() => rangeOf('bytes=0-', 0), HttpError)
})

test('If-Range with another version gives the whole', () => {
  assert.equal(rangeOf('bytes=5-', 100, '"old"', '"new"'), undefined)
  assert.deepEqual(rangeOf('bytes=5-', 100, '"new"', '"new"'), { start: 5, end: 100 })
})
