/** Ring: cli. A worker as a process: logs, traces and metrics around worker/worker.ts. */
import { createServer } from 'node:http'
import type { Settings } from '../../config/settings.ts'
import { createLogger } from '../../infra/observability/logging.ts'
import { createMetrics } from '../../infra/observability/metrics.ts'
import { startTracing } from '../../infra/observability/tracing.ts'
import { quietRuntime, startWorker } from '../../worker/worker.ts'
import { firnVersion } from '../version.ts'
import type { RunningService } from './api.ts'

/** Starts a worker; `failed` resolves with the error that ended it by itself. */
export async function runWorker(settings: Settings): Promise<RunningService & { readonly failed: Promise<unknown> }> {
  const tracing = startTracing({ serviceName: 'firn-worker', version: firnVersion(), otlp: settings.telemetry.otlp })
  const logger = createLogger({ name: 'worker', level: settings.telemetry.logLevel })
  quietRuntime(logger)
  const metrics = createMetrics()
  const worker = await startWorker(settings, { logger, figures: metrics, ...(tracing.workflowSpans ? { tracing: tracing.workflowSpans } : {}) })
  const { metricsPort } = settings.worker
  const server = metricsPort === undefined ? undefined : createServer((request, response) => {
    if (request.url !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    metrics.registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(text),
      (error: unknown) => response.writeHead(500).end(String(error)),
    )
  }).listen(metricsPort, settings.api.address)
  const failed = Promise.withResolvers<unknown>()
  worker.ended.catch(failed.resolve)
  return {
    failed: failed.promise,
    stop: async () => {
      await worker.stop()
      server?.close()
      await tracing.shutdown()
    },
  }
}
