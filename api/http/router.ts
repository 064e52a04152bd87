/**
 * Ring: api. Makes express routes from the table in contract/api-routes.ts: decoding, validation, authorisation, errors.
 * A route without a handler does not compile; a handler gets only what passed its schema.
 */
import express, { type NextFunction, type Request, type Response, Router } from 'express'
import { type RouteDefinition, type RouteName, type RouteResponse, ROUTES, type ValidatedRequest } from '../../contract/api-routes.ts'
import { FirnError } from '../../contract/errors.ts'
import type { Principal } from '../access/principal.ts'
import type { Authorise } from './authorise.ts'
import { decodeFields, refuseUnknown } from './decode.ts'
import { HttpError, RequestError } from './problem.ts'

/** JSON bodies: 50,000 store paths fit. */
/** How often a stream's reader is looked at again. */
const ASK_AGAIN_MILLISECONDS = 10_000
const JSON_LIMIT = 8 * 1024 * 1024

/** What a handler has of HTTP itself. `signal` fires when the client has gone or the server closes. */
export interface Exchange {
  readonly request: Request
  readonly response: Response
  readonly signal: AbortSignal
  readonly requestId: string
  readonly principal: Principal
}

/** A response whose status or headers aren't the usual ones. */
export class Reply<Body> {
  readonly status: number
  readonly body: Body
  readonly headers: Readonly<Record<string, string>>
  constructor(status: number, body: Body, headers: Readonly<Record<string, string>> = {}) {
    this.status = status
    this.body = body
    this.headers = headers
  }
}

type Result<Name extends RouteName> = (typeof ROUTES)[Name] extends { readonly responses: unknown } ? RouteResponse<Name> | Reply<RouteResponse<Name>> : void
export type Handler<Name extends RouteName> = (request: ValidatedRequest<Name>, exchange: Exchange) => Promise<Result<Name>>
/** One handler for each route; the compiler holds this complete. */
export type Handlers = { readonly [Name in RouteName]: Handler<Name> }

export type Audit = (action: string, exchange: Exchange, request: { readonly params: unknown; readonly body: unknown; readonly project?: RouteDefinition['project'] }) => Promise<void>

export interface RouterOptions {
  readonly authorise: Authorise
  /** Is told of every change that was made. */
  readonly audit: Audit
  /** Check responses against their schemas (tests): a response that doesn't fit becomes an internal error. */
  readonly checkResponses: boolean
  readonly exchangeOf: (request: Request, response: Response) => Exchange
}

type AnyHandler = (request: { params: unknown; query: unknown; headers: unknown; body: unknown }, exchange: Exchange) => Promise<unknown>

export function routerOf(handlers: Handlers, options: RouterOptions): Router {
  const router = Router({ caseSensitive: true, strict: true })
  const parseJson = express.json({ limit: JSON_LIMIT, strict: false, type: 'application/json' })
  const methodsOf = new Map<string, string[]>()
  for (const name of Object.keys(ROUTES) as RouteName[]) {
    const route: RouteDefinition = ROUTES[name]
    const handler = handlers[name] as unknown as AnyHandler
    const path = expressPath(route.path)
    methodsOf.set(path, [...(methodsOf.get(path) ?? []), route.method.toUpperCase()])
    // first of all, so that who may not ask learns nothing and sends no body
    const admit = async (request: Request, response: Response, next: NextFunction): Promise<void> => {
      response.locals['route'] = name
      response.locals['principal'] = await options.authorise(request, route)
      next()
    }
    const serve = async (request: Request, response: Response): Promise<void> => {
      const exchange = options.exchangeOf(request, response)
      if (route.responses === undefined && route.scope !== 'open') keepAsking(options.authorise, route, request, response)
      const decoded = decode(route, request)
      const result = await handler(decoded, exchange)
      if (changes(route)) await options.audit(name, exchange, { ...decoded, ...(route.project && { project: route.project }) })
      if (response.writableEnded || route.responses === undefined) return
      send(route, response, result, options.checkResponses)
    }
    if (route.body) router[route.method](path, admit, requireJson, parseJson, serve)
    else router[route.method](path, admit, serve)
  }
  for (const [path, methods] of methodsOf) {
    const allowed = [...new Set(methods.includes('GET') ? ['GET', 'HEAD', 'OPTIONS', ...methods] : ['OPTIONS', ...methods])].sort().join(', ')
    router.all(path, (request, response) => {
      if (request.method === 'OPTIONS') response.set('Allow', allowed).status(204).end()
      else throw new HttpError(405, 'invalid-input', `${request.method} is not allowed here; allowed: ${allowed}`, { headers: { Allow: allowed } })
    })
  }
  return router
}

/** A stream may be open for days: it ends when whoever reads it may no longer, as after a token was revoked or a session ended. */
function keepAsking(authorise: Authorise, route: RouteDefinition, request: Request, response: Response): void {
  const timer = setInterval(() => {
    authorise(request, route).catch((error: unknown) => { if (error instanceof FirnError && error.kind === 'forbidden') response.destroy() })
  }, ASK_AGAIN_MILLISECONDS)
  response.once('close', () => clearInterval(timer))
}

function decode(route: RouteDefinition, request: Request): { params: unknown; query: unknown; headers: unknown; body: unknown } {
  const params = route.params ? decodeParams(route, request) : undefined
  const query = route.query ? decodeFields(route.query, request.query, 'query') : refuseUnknown(Object.keys(request.query), [])
  const headers = route.headers ? decodeFields(route.headers, request.headers, 'headers') : undefined
  if (route.streamBody) requireType(request, route.streamBody)
  return { params, query, headers, body: route.body ? decodeBody(route, request) : undefined }
}

/** A path that names nothing that could exist is not found, rather than a bad request: ids and store paths are names. */
function decodeParams(route: RouteDefinition, request: Request): unknown {
  try {
    return decodeFields(route.params!, request.params, 'params')
  } catch (error) {
    if (error instanceof RequestError) throw new FirnError('not-found', `there is nothing under ${request.path.slice(0, 300)}: ${error.message}`)
    throw error
  }
}

function decodeBody(route: RouteDefinition, request: Request): unknown {
  const result = route.body!.safeParse(request.body)
  if (!result.success) throw new RequestError('body', result.error)
  return result.data
}

function requireJson(request: Request, _response: Response, next: (error?: unknown) => void): void {
  try {
    requireType(request, ['application/json'])
    next()
  } catch (error) {
    next(error)
  }
}

function requireType(request: Request, types: readonly string[]): void {
  const given = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
  if (!types.includes(given)) throw new HttpError(415, 'invalid-input', `expected a body of type ${types.join(' or ')}, got ${given === '' ? 'none' : `'${given}'`}`)
}

function send(route: RouteDefinition, response: Response, result: unknown, check: boolean): void {
  const reply = result instanceof Reply ? result : new Reply(Number(Object.keys(route.responses!)[0]), result)
  if (check) {
    const schema = route.responses![reply.status]
    const checked = schema?.safeParse(reply.body)
    if (!checked?.success) throw new FirnError('internal', `response ${reply.status} of ${route.path} does not fit its schema: ${checked?.error.message ?? 'no such status'}`)
  }
  response.status(reply.status).set(reply.headers).json(reply.body)
}

/** A question is none, whatever its method. */
function changes({ method, scope }: RouteDefinition): boolean {
  return method !== 'get' && scope !== 'read'
}

/** `/a/{b}` → `/a/:b` */
function expressPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1')
}
