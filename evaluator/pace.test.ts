import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pace } from './pace.ts'

test('the first answers are looked at at once', () => {
  assert.equal(new Pace().pause(1000, 5), 0)
})

test('while others are outstanding, a try follows the last one after many times what it took', () => {
  const pace = new Pace()
  pace.swept(1000, 10)
  assert.equal(pace.pause(1000, 5), 190)
  assert.equal(pace.pause(1150, 5), 40)
  assert.equal(pace.pause(1200, 5), 0)
})

test('answers that come close together are looked at together', () => {
  const pace = new Pace()
  pace.swept(1000, 0.2)
  assert.equal(pace.pause(1005, 5), 20)
  assert.equal(pace.pause(1005, 0), 0)
})

test('the last answer is not held back, and no pause is longer than two seconds', () => {
  const pace = new Pace()
  pace.swept(1000, 10_000)
  assert.equal(pace.pause(1000, 0), 0)
  assert.equal(pace.pause(1000, 1), 2000)
})

test('tries take a twentieth of the time, however many answers come', () => {
  const pace = new Pace()
  let now = 0
  let busy = 0
  for (let answer = 0; answer < 1000; answer++) {
    // an answer every 10 ms; a try takes 40 ms
    now = Math.max(now, answer * 10)
    if (pace.pause(now, 1000 - answer) > 0) continue
    now += 40
    busy += 40
    pace.swept(now, 40)
  }
  assert.ok(busy <= now / 15, `${busy} of ${now} ms`)
})
