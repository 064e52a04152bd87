/**
 * Ring: api. Around every request: an id, a span that continues the caller's trace, a log line, metrics, and a signal that
 * fires when the client goes away or the server closes.
 */
import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import type { Logger } from 'pino'
import type { ApiMetrics } from '../metrics.ts'
import { principalOfResponse } from './authorise.ts'
import { problemOf } from './problem.ts'
import type { Exchange } from './router.ts'

const tracer = trace.getTracer('firn-api')
/** Too many or too dull to be worth a span and a line each. */
const QUIET = new Set(['healthz', 'readyz', 'metrics'])

export function observe(logger: Logger, metrics: ApiMetrics, closing: AbortSignal): RequestHandler {
  setMaxListeners(0, closing)
  return (request, response, next) => {
    const given = request.headers['x-request-id']
    const requestId = typeof given === 'string' && /^[\w.-]{1,100}$/.test(given) ? given : randomUUID()
    response.locals['requestId'] = requestId
    response.setHeader('X-Request-Id', requestId)

    const gone = new AbortController()
    const onClosing = (): void => gone.abort(closing.reason)
    if (closing.aborted) gone.abort(closing.reason)
    else closing.addEventListener('abort', onClosing, { once: true })
    response.locals['signal'] = gone.signal

    const started = performance.now()
    const span = tracer.startSpan(`${request.method} ${request.path}`, { kind: SpanKind.SERVER, attributes: { 'http.request.method': request.method, 'url.path': request.path } },
      propagation.extract(context.active(), request.headers))
    response.once('close', () => {
      closing.removeEventListener('abort', onClosing)
      const broken = !response.writableFinished
      if (broken) gone.abort(new Error('the client closed the connection'))
      const route = String(response.locals['route'] ?? 'unknown')
      const status = response.statusCode
      const seconds = (performance.now() - started) / 1000
      span.updateName(`${request.method} ${route}`)
      span.setAttributes({ 'http.route': route, 'http.response.status_code': status, 'firn.request_id': requestId })
      if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
      span.end()
      metrics.http.duration.observe({ route, method: request.method, status: String(status) }, seconds)
      const line = { requestId, method: request.method, path: request.originalUrl.slice(0, 500), status, seconds: Math.round(seconds * 1000) / 1000, ...(broken && { broken }) }
      if (QUIET.has(route) || route === 'narinfo' || route === 'nar') logger.trace(line, 'request')
      else logger[status >= 500 ? 'warn' : 'debug'](line, 'request')
    })
    context.with(trace.setSpan(context.active(), span), () => next())
  }
}

export function exchangeOf(request: Request, response: Response): Exchange {
  return { request, response, signal: response.locals['signal'] as AbortSignal, requestId: response.locals['requestId'] as string, principal: principalOfResponse(response) }
}

/** Express' last handler: whatever was thrown becomes problem+json, or cuts the connection where an answer has begun. */
export function answerErrors(logger: Logger) {
  return (error: unknown, request: Request, response: Response, _next: NextFunction): void => {
    const requestId = response.locals['requestId'] as string
    const { status, headers, body } = problemOf(error, requestId)
    const signal = response.locals['signal'] as AbortSignal | undefined
    const wentAway = signal?.aborted === true && response.destroyed
    if (!wentAway && status >= 500) logger.error({ err: error, requestId, path: request.originalUrl.slice(0, 500) }, 'request failed')
    if (response.headersSent) {
      // a cut connection is the only way left to say that the content is not whole
      response.destroy()
      return
    }
    for (const name of response.getHeaderNames()) if (!/^(x-request-id|vary)$/i.test(name)) response.removeHeader(name)
    // an unread body would be taken for the next request
    if (!request.readableEnded && request.headers['content-length'] !== '0' && (request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined)) response.setHeader('Connection', 'close')
    response.status(status).set(headers).type('application/problem+json').send(JSON.stringify(body))
  }
}
