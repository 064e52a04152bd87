import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { FirnError } from '../../contract/errors.ts'
import { createLogger } from './logging.ts'

function capture(pretty: boolean): { write: ReturnType<typeof createLogger>; text: () => Promise<string> } {
  const destination = new PassThrough()
  const write = createLogger({ name: 'test', level: 'info', pretty, destination })
  return {
    write,
    text: async () => {
      await new Promise((resolve) => { setTimeout(resolve, 50) })
      return String(destination.read() ?? '')
    },
  }
}

test('lines are JSON with name, time and the chain of causes; secrets are blotted out', async () => {
  const { write, text } = capture(false)
  write.debug('not written')
  write.error({ err: new FirnError('unavailable', 'no answer', { cause: new Error('refused') }), temporal: { apiKey: 'abc' } }, 'it broke')
  const line = JSON.parse(await text()) as Record<string, unknown>
  assert.equal(line['name'], 'test')
  assert.equal(line['msg'], 'it broke')
  assert.match(String(line['time']), /^\d{4}-\d\d-\d\dT/)
  const error = line['err'] as { kind: string; cause: { message: string } }
  assert.equal(error.kind, 'unavailable')
  assert.equal(error.cause.message, 'refused')
  assert.doesNotMatch(JSON.stringify(line), /abc/)
})

test('on a terminal a line can be read', async () => {
  const { write, text } = capture(true)
  write.info({ evaluationId: 7 }, 'evaluation begins')
  const line = await text()
  assert.match(line, /INFO.*evaluation begins.*7/)
  assert.doesNotMatch(line, /^\{/)
})
