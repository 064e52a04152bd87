/** Ring: api. Events of the farm, an evaluation or a build, as server-sent events that can be resumed with nothing lost or repeated. */
import { FINAL_EVALUATION_STATES } from '../../contract/api.ts'
import { getEvaluation } from '../../state/evaluations.ts'
import type { ApiDependencies } from '../dependencies.ts'
import type { Exchange, Handlers } from '../http/router.ts'
import { cursorOfEvaluation, cursorOfNow, type EventCursor, type EventFilter, eventsAfter, eventsPending, formatCursor, parseCursor } from '../../state/events.ts'
import { EventStream } from '../streams/event-stream.ts'
import type { ChangeHub } from '../streams/hub.ts'
import { evaluationOrNotFound } from './evaluations.ts'

const BATCH = 500

export function eventHandlers({ database: { db } }: ApiDependencies, hub: ChangeHub): Pick<Handlers, 'events' | 'evaluationEvents'> {
  async function follow(exchange: Exchange, start: EventCursor, filter: EventFilter, ended: () => Promise<boolean>): Promise<void> {
    const stream = new EventStream(exchange)
    let cursor = start
    stream.mark(formatCursor(cursor))
    try {
      for (;;) {
        const since = hub.seen()
        // asked before reading: what is read after a final state is all there will be
        const last = await ended()
        for (;;) {
          const batch = await eventsAfter(db, cursor, filter, BATCH)
          for (const { cursor: at, event } of batch) {
            await stream.send({ id: formatCursor(at), event: event.kind, data: event })
            cursor = at
          }
          if (batch.length < BATCH) break
        }
        if (last) {
          await stream.send({ id: formatCursor(cursor), event: 'end', data: {} })
          return
        }
        await hub.change(exchange.signal, since)
      }
    } catch (error) {
      // the client resumes elsewhere or later; there is nobody to tell
      if (!exchange.signal.aborted) throw error
    } finally {
      stream.end()
    }
  }

  return {
    async events({ headers, query }, exchange) {
      const resumed = headers['last-event-id']
      const start = resumed === undefined ? await cursorOfNow(db) : parseCursor(resumed)
      await follow(exchange, start, query.build === undefined ? {} : { buildId: query.build }, () => Promise.resolve(false))
    },
    async evaluationEvents({ params: { id }, headers }, exchange) {
      await evaluationOrNotFound(db, id)
      const resumed = headers['last-event-id']
      const start = resumed === undefined ? await cursorOfEvaluation(db, id) : parseCursor(resumed)
      await follow(exchange, start, { evaluationId: id }, async () => {
        const row = await getEvaluation(db, id)
        return row === undefined || (FINAL_EVALUATION_STATES.includes(row.state) && !(await eventsPending(db, id)))
      })
    },
  }
}
