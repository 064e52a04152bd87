/**
 * Ring: web. Server-sent events read with fetch, because EventSource can't send a token. Comes back after a break with the last id,
 * so that nothing is lost.
 */
import { fetchFromFarm } from './client.ts'

export interface StreamEvent {
  readonly id: string
  readonly event: string
  readonly data: string
}

/** The farm says every 15 seconds that it is still there; a connection that is silent for longer is one of which nobody told us that it broke. */
const SILENT_MILLISECONDS = 50_000

/** An event of this kind says nothing but where to resume. */
export const MARK = 'mark'

/** Events of one response, as they come. `onOpen` is called when the farm has accepted. */
export async function* eventsOf(address: string, lastEventId: string | undefined, signal: AbortSignal, onOpen?: () => void): AsyncGenerator<StreamEvent, void, undefined> {
  const silent = new AbortController()
  let watch = setTimeout(() => silent.abort(), SILENT_MILLISECONDS)
  try {
    yield* readEvents(address, lastEventId, AbortSignal.any([signal, silent.signal]), onOpen, () => {
      clearTimeout(watch)
      watch = setTimeout(() => silent.abort(), SILENT_MILLISECONDS)
    })
  } finally {
    clearTimeout(watch)
  }
}

async function* readEvents(address: string, lastEventId: string | undefined, signal: AbortSignal, onOpen: (() => void) | undefined, heard: () => void): AsyncGenerator<StreamEvent, void, undefined> {
  const response = await fetchFromFarm(address, { signal, headers: { accept: 'text/event-stream', ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) }, cache: 'no-store' })
  onOpen?.()
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      heard()
      rest += value
      let end = rest.indexOf('\n\n')
      let start = 0
      for (; end !== -1; end = rest.indexOf('\n\n', start)) {
        const event = parseEvent(rest.slice(start, end))
        start = end + 2
        if (event) yield event
      }
      rest = rest.slice(start)
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

/** Undefined for comments and instructions. Without data, it only says where the reader stands (`MARK`). */
export function parseEvent(text: string): StreamEvent | undefined {
  let id = ''
  let event = 'message'
  let data: string | undefined
  for (const line of text.split('\n')) {
    if (line.startsWith('id: ')) id = line.slice(4)
    else if (line.startsWith('event: ')) event = line.slice(7)
    else if (line.startsWith('data: ')) data = data === undefined ? line.slice(6) : `${data}\n${line.slice(6)}`
  }
  if (data === undefined) return id === '' ? undefined : { id, event: MARK, data: '' }
  return { id, event, data }
}
