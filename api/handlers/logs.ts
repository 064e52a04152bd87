/** Ring: api. Logs of builds: as text with ranges, tail and follow, or as server-sent events whose ids are offsets. */
import { FirnError } from '../../contract/errors.ts'
import { findLog, type FoundLog } from '../../state/logs.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { writeBody } from '../http/body.ts'
import { announce, notModified, requestedRange } from '../http/range.ts'
import type { Exchange, Handlers } from '../http/router.ts'
import { EventStream } from '../streams/event-stream.ts'
import { getBuild } from '../queries/builds.ts'
import { bytesOf, type LogOptions, logParts, offsetOfTail } from '../streams/log.ts'
import type { ChangeHub } from '../streams/hub.ts'
import { buildOrNotFound } from './builds.ts'

export function logHandlers(dependencies: ApiDependencies, hub: ChangeHub): Pick<Handlers, 'buildLog'> {
  const { db } = dependencies.database

  /** The attempt asked for; with `follow`, waits for one to begin as long as the build has not ended. */
  async function placeOf(id: number, attempt: number | undefined, follow: boolean, signal: AbortSignal): Promise<FoundLog> {
    for (;;) {
      const since = hub.seen()
      const build = await getBuild(db, id)
      const place = await findLog(db, id, attempt)
      if (place) return place
      const over = build === undefined || build.state === 'succeeded' || build.state === 'failed'
      if (!follow || over) throw new FirnError('not-found', attempt === undefined ? `build ${id} has no log: nothing has set out to realise it` : `build ${id} has no attempt ${attempt}`)
      await hub.change(signal, since)
    }
  }

  async function sendEvents(exchange: Exchange, id: number, place: FoundLog, options: LogOptions): Promise<void> {
    const stream = new EventStream(exchange)
    let rest: Uint8Array = new Uint8Array(0)
    let position = options.start
    try {
      for await (const part of logParts(dependencies, id, place, options)) {
        const bytes = rest.length === 0 ? part.bytes : Buffer.concat([rest, part.bytes])
        const complete = completeBytes(bytes)
        rest = bytes.subarray(complete)
        position = part.position + part.bytes.length
        // an id stands for what was sent: a character cut in two comes whole, with the next event
        if (complete > 0) await stream.send({ id: String(position - rest.length), event: 'log', data: { attempt: place.number, text: Buffer.from(bytes.subarray(0, complete)).toString('utf8') } })
      }
      if (rest.length > 0) await stream.send({ id: String(position), event: 'log', data: { attempt: place.number, text: Buffer.from(rest).toString('utf8') } })
      await stream.send({ id: String(position), event: 'end', data: { attempt: place.number } })
    } catch (error) {
      if (!exchange.signal.aborted) throw error
    } finally {
      stream.end()
    }
  }

  return {
    async buildLog({ params: { id }, query, headers }, exchange) {
      const { request, response, signal } = exchange
      await buildOrNotFound(db, id)
      const place = await placeOf(id, query.attempt, query.follow, signal)
      const asEvents = request.accepts(['text/plain', 'text/event-stream']) === 'text/event-stream'
      response.vary('Accept').set('Firn-Attempt', String(place.number))
      const resumed = asEvents && headers['last-event-id'] !== undefined ? Number(headers['last-event-id']) : undefined
      const start = resumed ?? (query.tail === undefined ? 0 : await offsetOfTail((from) => logParts(dependencies, id, place, { start: from }), place.bytes, query.tail))
      const follow = query.follow ? { follow: { hub, signal } } : {}
      if (asEvents) {
        await sendEvents(exchange, id, place, { start, ...follow })
        return
      }
      response.set('Content-Type', 'text/plain; charset=utf-8')
      if (!place.ended && !query.follow && headers.range !== undefined) {
        // of what is there by now; how long it will be nobody knows
        const range = requestedRange(request, place.bytes)
        if (range) {
          response.status(206).set({ 'Cache-Control': 'no-store', 'Content-Range': `bytes ${range.start}-${range.end - 1}/*`, 'Content-Length': String(range.end - range.start) })
          if (request.method === 'HEAD') response.end()
          else await writeBody(response, bytesOf(logParts(dependencies, id, place, { start: range.start, end: range.end })), signal)
          return
        }
      }
      if (!place.ended) {
        // still growing: no length
        response.set('Cache-Control', 'no-store')
        response.flushHeaders()
        if (request.method === 'HEAD') response.end()
        else await writeBody(response, bytesOf(logParts(dependencies, id, place, { start, ...follow })), signal)
        return
      }
      const etag = `"log-${place.attemptId}-${place.bytes}${start > 0 ? `-${start}` : ''}"`
      if (notModified(request, response, etag)) return
      const size = Math.max(0, place.bytes - start)
      const range = requestedRange(request, size, etag)
      announce(response, size, range)
      if (request.method === 'HEAD') response.end()
      else await writeBody(response, bytesOf(logParts(dependencies, id, place, { start: start + (range?.start ?? 0), end: start + (range?.end ?? size) })), signal)
    },
  }
}

/** Length of the bytes without a UTF-8 character at the end that isn't all there. */
export function completeBytes(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!
    if (byte < 0x80) break
    if (byte < 0xc0) continue
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
    return needed > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}
