/** Ring: api. What a route of Hydra's is, and how its answer is written: JSON or a page, by what the client asks for. */
import type { Request } from 'express'
import type { z } from 'zod'
import type { RouteDefinition } from '../../contract/api-routes.ts'
import { FirnError } from '../../contract/errors.ts'
import { RequestError } from '../http/problem.ts'
import type { Exchange } from '../http/router.ts'
import type { Html } from './html.ts'

export interface HydraAnswer {
  readonly status?: number
  readonly json?: unknown
  /** For who does not ask for JSON; without it everybody gets JSON. */
  readonly page?: { readonly title: string; readonly ui: string; readonly body: Html }
  readonly redirect?: string
  readonly text?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Nothing to say. */
  readonly empty?: true
  /** The handler has written it. */
  readonly sent?: true
}

export interface HydraRoute extends Pick<RouteDefinition, 'method' | 'scope' | 'project'> {
  /** As express writes it. */
  readonly path: string
  handle(call: HydraCall): Promise<HydraAnswer>
}

/** A request, its parameters as text. */
export class HydraCall {
  readonly exchange: Exchange
  constructor(exchange: Exchange) {
    this.exchange = exchange
  }

  /** Whether a page is wanted: what only a page shows need not be looked up otherwise. */
  get asPage(): boolean {
    return !wantsJson(this.exchange.request)
  }

  param(name: string): string {
    const value = this.exchange.request.params[name]
    return Array.isArray(value) ? value.join('/') : value ?? ''
  }

  /** Errors: 'not-found' for what is no number, since it names nothing. */
  id(name = 'id'): number {
    const text = this.param(name)
    if (!/^[1-9]\d{0,8}$/.test(text)) throw new FirnError('not-found', `'${text.slice(0, 50)}' is no number of a build or an evaluation`)
    return Number(text)
  }

  query(name: string): string | undefined {
    const value = this.exchange.request.query[name]
    return typeof value === 'string' ? value.replaceAll('\0', '') : undefined
  }

  /** A number of the query string; 'invalid-input' where it is none, or missing without a default. */
  count(name: string, limits: { readonly maximum: number; readonly otherwise?: number }): number {
    const text = this.query(name)
    if (text === undefined && limits.otherwise !== undefined) return limits.otherwise
    if (text === undefined || !/^\d{1,9}$/.test(text)) throw new FirnError('invalid-input', `Parameter '${name}' not defined!`)
    return Math.min(limits.maximum, Number(text))
  }

  body<Schema extends z.ZodType>(schema: Schema): z.output<Schema> {
    const result = schema.safeParse(this.exchange.request.body)
    if (!result.success) throw new RequestError('body', result.error)
    return result.data
  }

  /** `/rest/of/path`, to be put behind what a redirection leads to. */
  get rest(): string {
    const value = this.exchange.request.params['rest']
    return value === undefined ? '' : `/${(Array.isArray(value) ? value : [value]).map(encodeURIComponent).join('/')}`
  }
}

/** As Catalyst::Action::REST decides: a request's own type counts too, and who names no preference gets the page. */
export function wantsJson(request: Request): boolean {
  return /^application\/json\b/.test(request.headers['content-type'] ?? '') || request.accepts(['html', 'json']) === 'json'
}
