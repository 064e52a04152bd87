/**
 * Ring: api. The farm's HTTP server: the REST API of contract/api-routes.ts, the binary cache at the root, and what goes
 * around every request. Upstream counterparts: hydra-server and nix-serve, in one.
 */
import express, { type Request } from 'express'
import { FirnError } from '../contract/errors.ts'
import { auditWriter } from './access/audit.ts'
import { OpenIdSignIn } from './access/openid.ts'
import { SignIn } from './access/sign-in.ts'
import { binaryCacheRoutes } from './binary-cache/routes.ts'
import type { ApiDependencies } from './dependencies.ts'
import { accessHandlers } from './handlers/access.ts'
import { buildHandlers } from './handlers/builds.ts'
import { evaluationHandlers } from './handlers/evaluations.ts'
import { comparisonHandlers } from './handlers/comparisons.ts'
import { eventHandlers } from './handlers/events.ts'
import { farmHandlers } from './handlers/farm.ts'
import { jobsetHandlers } from './handlers/jobsets.ts'
import { logHandlers } from './handlers/logs.ts'
import { projectHandlers } from './handlers/projects.ts'
import { resultHandlers } from './handlers/results.ts'
import { storeHandlers } from './handlers/store.ts'
import { tokenHandlers } from './handlers/tokens.ts'
import { uploadHandlers } from './handlers/uploads.ts'
import { viewHandlers } from './handlers/views.ts'
import { authorisation } from './http/authorise.ts'
import { hydraRoutes } from './hydra/routes.ts'
import { answerErrors, exchangeOf, observe } from './http/observe.ts'
import { type Handlers, routerOf } from './http/router.ts'
import { listen } from './http/server.ts'
import { pageRoutes } from './pages.ts'
import { ChangeHub } from './streams/hub.ts'
import { webhookRoutes } from './webhooks/routes.ts'

export interface ApiOptions {
  /** Tried in this order where `api.port` is 0; then any port that is free. */
  readonly preferredPorts?: readonly number[]
  /** Folder of the built web pages. */
  readonly pages?: string
  /** Check every response against its schema; for tests. */
  readonly checkResponses?: boolean
}

export interface RunningApi {
  /** Where this machine reaches it, without a slash at the end. */
  readonly url: string
  readonly port: number
  /** Lets answers under way finish for a few seconds, tells streams to end, and stops. What was given to the API stays open. */
  close(): Promise<void>
}

const GRACE_MILLISECONDS = 5000

/** Starts the server; resolves when it listens. Errors: 'conflict' where the port is taken. */
export async function startApi(dependencies: ApiDependencies, options: ApiOptions = {}): Promise<RunningApi> {
  const { settings, logger, metrics, database } = dependencies
  const closing = new AbortController()
  const hub = new ChangeHub()
  await hub.start(database, logger)

  const { authorise, forget } = authorisation(dependencies)
  const signIn = new SignIn(dependencies, new OpenIdSignIn(settings.signIn), forget)
  const audit = auditWriter(dependencies)
  const handlers: Handlers = {
    ...accessHandlers(dependencies, signIn),
    ...evaluationHandlers(dependencies, hub),
    ...buildHandlers(dependencies, hub),
    ...logHandlers(dependencies, hub),
    ...eventHandlers(dependencies, hub),
    ...farmHandlers(dependencies),
    ...storeHandlers(dependencies),
    ...uploadHandlers(dependencies),
    ...projectHandlers(dependencies),
    ...jobsetHandlers(dependencies),
    ...comparisonHandlers(dependencies),
    ...resultHandlers(dependencies),
    ...viewHandlers(dependencies),
    ...tokenHandlers(dependencies),
  }
  const app = express()
  app.disable('x-powered-by')
  app.set('query parser', 'simple')
  app.set('etag', 'weak')
  app.use((_request, response, next) => {
    response.setHeader('X-Content-Type-Options', 'nosniff')
    next()
  })
  app.use(observe(logger, metrics, closing.signal))
  app.use(await pageRoutes(options.pages))
  app.use(binaryCacheRoutes(dependencies, async (request: Request) => { await authorise(request, { scope: settings.cache.open ? 'open' : 'read' }) }))
  app.use(routerOf(handlers, { authorise, audit, checkResponses: options.checkResponses ?? false, exchangeOf }))
  app.use(webhookRoutes(dependencies))
  app.use(hydraRoutes(dependencies, { authorise, audit, signIn }))
  app.use((request) => {
    throw new FirnError('not-found', `there is nothing under ${request.method} ${request.path.slice(0, 300)}`)
  })
  app.use(answerErrors(logger))

  const listener = await listen(app, {
    address: settings.api.address, port: settings.api.port, preferredPorts: options.preferredPorts ?? [],
    certificate: settings.api.certificate, key: settings.api.key,
  }).catch(async (error: unknown) => {
    await hub.close()
    throw error
  })
  logger.info({ url: listener.url }, 'the API listens')
  return {
    url: listener.url,
    port: listener.port,
    async close() {
      closing.abort(new FirnError('unavailable', 'the server is shutting down'))
      await listener.close(GRACE_MILLISECONDS)
      await hub.close()
    },
  }
}
