import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MARK, parseEvent } from './event-stream.ts'

test('events have an id, a kind and data; comments and instructions have nothing', () => {
  assert.deepEqual(parseEvent('id: 5-1\nevent: build.ended\ndata: {"a": 1}'), { id: '5-1', event: 'build.ended', data: '{"a": 1}' })
  assert.deepEqual(parseEvent('data: one\ndata: two'), { id: '', event: 'message', data: 'one\ntwo' })
  assert.equal(parseEvent(': still here'), undefined)
  assert.equal(parseEvent('retry: 1000'), undefined)
})

test('an id alone is where to resume, before anything has happened', () => {
  assert.deepEqual(parseEvent('id: 7-0'), { id: '7-0', event: MARK, data: '' })
})
