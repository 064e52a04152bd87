/**
 * Ring: api. The addresses that Hydra's clients call, beside /api/v1 and /ui/, which they leave alone. Answers are JSON where the client asks for
 * it and a plain page otherwise. What changes something is taken by POST or PUT only: Hydra does some of it by GET, which any page could make a
 * browser send. Upstream counterpart: Hydra::Controller.
 */
import express, { type NextFunction, type Request, type Response, Router } from 'express'
import type { ApiDependencies } from '../dependencies.ts'
import type { SignIn } from '../access/sign-in.ts'
import type { Authorise } from '../http/authorise.ts'
import { exchangeOf } from '../http/observe.ts'
import { HttpError, problemOf } from '../http/problem.ts'
import type { Audit } from '../http/router.ts'
import { buildRoutes, evaluationRoutes, jobRoutes } from './builds.ts'
import { channelRoutes } from './channel.ts'
import { farmRoutes } from './farm.ts'
import { alert, page, POLICY } from './html.ts'
import { projectRoutes } from './jobsets.ts'
import { userRoutes } from './users.ts'
import { type HydraAnswer, HydraCall, type HydraRoute, wantsJson } from './route.ts'

const BODY_BYTES = 1024 * 1024

export interface HydraOptions {
  readonly authorise: Authorise
  readonly audit: Audit
  readonly signIn: SignIn
}

/** The table, from which the router and the test of authorisation are made. */
export function hydraRouteTable(dependencies: ApiDependencies, signIn: SignIn): HydraRoute[] {
  return [...[projectRoutes, evaluationRoutes, jobRoutes, buildRoutes, channelRoutes, farmRoutes].flatMap((routes) => routes(dependencies)), ...userRoutes(signIn)]
}

export function hydraRoutes(dependencies: ApiDependencies, { authorise, audit, signIn }: HydraOptions): Router {
  const router = Router({ caseSensitive: true })
  const parseJson = express.json({ limit: BODY_BYTES, type: 'application/json' })
  const table = hydraRouteTable(dependencies, signIn)
  for (const route of table) {
    const admit = async (request: Request, response: Response, next: NextFunction): Promise<void> => {
      response.locals['route'] = `hydra ${route.path}`
      response.locals['principal'] = await authorise(request, route)
      next()
    }
    const serve = async (request: Request, response: Response): Promise<void> => {
      const exchange = exchangeOf(request, response)
      const answer = await route.handle(new HydraCall(exchange))
      if (route.method !== 'get') await audit(`hydra ${request.method} ${route.path}`, exchange, { params: { ...request.params, ...request.query }, body: request.body as unknown, ...(route.project && { project: route.project }) })
      if (!answer.sent) write(request, response, answer)
    }
    const methods = route.method === 'post' ? ['post', 'put'] as const : [route.method]
    for (const method of methods) router[method](route.path, admit, ...(method === 'get' ? [] : [parseJson]), serve)
  }
  for (const path of new Set(table.map((route) => route.path))) {
    const allowed = [...new Set(table.filter((route) => route.path === path).flatMap(({ method }) => (method === 'get' ? ['GET', 'HEAD'] : method === 'post' ? ['POST', 'PUT'] : [method.toUpperCase()])))].sort().join(', ')
    // the root is the pages' and the cache's too
    if (path !== '/') router.all(path, (request) => { throw new HttpError(405, 'invalid-input', `${request.method} is not allowed here; allowed: ${allowed}`, { headers: { Allow: allowed } }) })
  }
  router.use((error: unknown, request: Request, response: Response, next: NextFunction) => {
    const { status, headers, body } = problemOf(error, response.locals['requestId'] as string)
    // what is no mistake of the client's is logged where all such errors are
    if (status >= 500 || response.headersSent || !String(response.locals['route'] ?? '').startsWith('hydra ')) return next(error)
    response.set(headers)
    write(request, response, { status, json: { error: body.detail }, page: { title: body.title, ui: '/ui/', body: alert(body.detail) } })
  })
  return router
}

function write(request: Request, response: Response, answer: HydraAnswer): void {
  response.vary('Accept').status(answer.status ?? 200).set(answer.headers ?? {})
  if (answer.empty) response.status(204).end()
  else if (answer.redirect !== undefined && answer.json !== undefined && wantsJson(request)) response.status(302).location(answer.redirect).json(answer.json)
  else if (answer.redirect !== undefined) response.redirect(302, answer.redirect)
  else if (answer.text !== undefined) response.type('text/plain').send(answer.text)
  else if (answer.page && !wantsJson(request)) response.set({ 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': POLICY }).send(page(answer.page.title, answer.page.ui, answer.page.body))
  else response.json(answer.json)
}
