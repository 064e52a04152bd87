/**
 * Ring: cli. The farm's HTTP API as functions, typed by the table of routes. Problems that the farm answers with come out as
 * the FirnError that it raised; a farm that can't be reached is 'unavailable'.
 */
import { context, propagation } from '@opentelemetry/api'
import { Agent, fetch, type Response } from 'undici'
import type { z } from 'zod'
import { type RouteDefinition, type RouteName, type RouteRequest, type RouteResponse, ROUTES } from '../contract/api-routes.ts'
import { problem } from '../contract/api.ts'
import { FirnError } from '../contract/errors.ts'

export interface Farm {
  /** Without a slash at the end. */
  readonly url: string
  /** It runs on this machine and may read its files. */
  readonly local: boolean
  readonly token?: string
}

/** A server-sent event: `data` is parsed JSON. */
export interface ServerEvent {
  readonly id: string
  readonly event: string
  readonly data: unknown
}

interface AnyRequest {
  readonly params?: Readonly<Record<string, string | number>>
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly body?: unknown
}

export interface StreamOptions {
  readonly accept?: string
  readonly signal?: AbortSignal
  /** A body of bytes, with its content type. */
  readonly upload?: { readonly type: string, readonly content: AsyncIterable<Uint8Array> }
}

export class FarmClient {
  readonly farm: Farm
  // logs and events may be silent for hours
  readonly #agent = new Agent({ bodyTimeout: 0, headersTimeout: 0, connect: { timeout: 10_000 } })

  constructor(farm: Farm) {
    this.farm = farm
  }

  /** Calls a route that answers with JSON. */
  async call<Name extends RouteName>(name: Name, request: RouteRequest<Name>, options: StreamOptions = {}): Promise<RouteResponse<Name>> {
    const response = await this.#send(name, request, options)
    return (await response.json()) as RouteResponse<Name>
  }

  /** Calls a route that answers with a stream of bytes. */
  async stream<Name extends RouteName>(name: Name, request: RouteRequest<Name>, options: StreamOptions = {}): Promise<AsyncIterable<Uint8Array>> {
    const response = await this.#send(name, request, options)
    return (response.body ?? []) as AsyncIterable<Uint8Array>
  }

  /** Server-sent events of a route, resumed after the last one seen as long as the farm comes back within a minute. */
  async *events<Name extends RouteName>(name: Name, request: RouteRequest<Name>, signal?: AbortSignal): AsyncGenerator<ServerEvent> {
    let last: string | undefined
    let lostAt: number | undefined
    for (;;) {
      const plain = request as AnyRequest
      try {
        const response = await this.#send(name, { ...plain, headers: { ...plain.headers, ...(last === undefined ? {} : { 'last-event-id': last }) } }, { accept: 'text/event-stream', ...(signal ? { signal } : {}) })
        lostAt = undefined
        for await (const event of parseEvents((response.body ?? []) as AsyncIterable<Uint8Array>)) {
          last = event.id || last
          yield event
          if (event.event === 'end') return
        }
      } catch (error) {
        if (signal?.aborted || (error instanceof FirnError && error.kind !== 'unavailable')) throw error
        lostAt ??= Date.now()
        if (Date.now() - lostAt > 60_000) throw error
      }
      await new Promise((resume) => setTimeout(resume, 500))
    }
  }

  /** A path that is not in the table of routes: those of the binary cache. */
  async get(path: string, signal?: AbortSignal): Promise<Response> {
    return await this.#fetch('GET', new URL(this.farm.url + path), {}, undefined, signal)
  }

  /** Everything of a paged list. */
  async all<Name extends RouteName, Item>(name: Name, request: RouteRequest<Name>, limit = Infinity): Promise<Item[]> {
    const items: Item[] = []
    let cursor: string | undefined
    do {
      const plain = request as AnyRequest
      const page = (await this.call(name, { ...plain, query: { ...plain.query, limit: Math.min(1000, limit - items.length), ...(cursor === undefined ? {} : { cursor }) } } as unknown as RouteRequest<Name>)) as unknown as { items: Item[], next: string | null }
      items.push(...page.items)
      cursor = page.next ?? undefined
    } while (cursor !== undefined && items.length < limit)
    return items
  }

  async #send(name: RouteName, request: AnyRequest, options: StreamOptions): Promise<Response> {
    const route: RouteDefinition = ROUTES[name]
    const path = route.path.replace(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(String(request.params?.[key])))
    const url = new URL(this.farm.url + path)
    for (const [key, value] of Object.entries(request.query ?? {})) if (value !== undefined) url.searchParams.set(key, String(value))
    const headers: Record<string, string> = { accept: options.accept ?? (route.stream ? route.stream[0]! : 'application/json') }
    for (const [key, value] of Object.entries(request.headers ?? {})) if (value !== undefined) headers[key] = value
    if (options.upload) headers['content-type'] = options.upload.type
    else if (request.body !== undefined) headers['content-type'] = 'application/json'
    return await this.#fetch(route.method.toUpperCase(), url, headers, options.upload ? options.upload.content : request.body === undefined ? undefined : JSON.stringify(request.body), options.signal)
  }

  async #fetch(method: string, url: URL, headers: Record<string, string>, body: string | AsyncIterable<Uint8Array> | undefined, signal: AbortSignal | undefined): Promise<Response> {
    propagation.inject(context.active(), headers)
    if (this.farm.token !== undefined) headers['authorization'] = `Bearer ${this.farm.token}`
    let response: Response
    try {
      response = await fetch(url, { method, headers, dispatcher: this.#agent, ...(signal ? { signal } : {}), ...(body === undefined ? {} : { body, duplex: 'half' as const }) })
    } catch (error) {
      if (signal?.aborted) throw error
      const cause = (error as Error).cause
      throw new FirnError('unavailable', `no farm answers at ${this.farm.url}: ${cause instanceof Error ? cause.message || String((cause as NodeJS.ErrnoException).code) : (error as Error).message}`, { cause: error })
    }
    if (!response.ok) throw await problemOf(response, url)
    return response
  }
}

async function problemOf(response: Response, url: URL): Promise<FirnError> {
  const body = await response.text().catch(() => '')
  const parsed = problem.safeParse(tryJson(body))
  if (!parsed.success) {
    return new FirnError(response.status >= 500 ? 'unavailable' : 'invalid-input', `${url.origin} answered ${response.status} to ${url.pathname}${body === '' ? '' : `: ${body.slice(0, 300).trim()}`}`)
  }
  const { kind, detail, data, issues, requestId } = parsed.data satisfies z.infer<typeof problem>
  const text = [detail, ...(issues ?? []).map((issue) => `  ${issue.path}: ${issue.message}`)].join('\n')
  return new FirnError(kind, text, { data: { ...data, requestId } })
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Reads a text/event-stream (WHATWG HTML, section 9.2): events end at an empty line, comments keep the connection alive. */
export async function *parseEvents(source: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  let fields: { id: string, event: string, data: string[] } = { id: '', event: 'message', data: [] }
  for await (const chunk of source) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r\n|\n|\r/)
    rest = lines.pop()!
    for (const line of lines) {
      if (line === '') {
        if (fields.data.length > 0) yield { id: fields.id, event: fields.event, data: JSON.parse(fields.data.join('\n')) }
        fields = { id: fields.id, event: 'message', data: [] }
        continue
      }
      const colon = line.indexOf(':')
      const name = colon < 0 ? line : line.slice(0, colon)
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
      if (name === 'id') fields.id = value
      else if (name === 'event') fields.event = value
      else if (name === 'data') fields.data.push(value)
    }
  }
}
