/** Ring: cli. The API as a process: opens what it stands on, starts it, and closes all of it in order. */
import { farmFigures } from '../../api/queries/farm.ts'
import { startApi } from '../../api/server.ts'
import { OpenTelemetryWorkflowClientInterceptor } from '@temporalio/interceptors-opentelemetry'
import { databaseUrl } from '../../config/database-url.ts'
import type { Settings } from '../../config/settings.ts'
import { FirnError } from '../../contract/errors.ts'
import { createLogger } from '../../infra/observability/logging.ts'
import { createMetrics, farmGauges } from '../../infra/observability/metrics.ts'
import { startTracing } from '../../infra/observability/tracing.ts'
import { buildPages, canBuildPages, PAGES } from '../../infra/setup/pages.ts'
import { migrate } from '../../migrations/run.ts'
import { openFarmDatabase } from '../../state/database.ts'
import { connectMotion } from '../../state/motion.ts'
import { storeSettings } from '../../store/from-settings.ts'
import { openStore } from '../../store/open.ts'
import { firnVersion } from '../version.ts'

export interface RunningService {
  stop(): Promise<void>
}

/** Errors: 'missing-requirement' without database or Temporal, 'unavailable' where these don't answer, 'conflict' for a taken port. */
export async function runApi(settings: Settings): Promise<RunningService> {
  const version = firnVersion()
  const tracing = startTracing({ serviceName: 'firn-api', version, otlp: settings.telemetry.otlp })
  const logger = createLogger({ name: 'api', level: settings.telemetry.logLevel })
  const { address } = settings.temporal
  if (address === undefined) throw new FirnError('missing-requirement', 'no Temporal server: set temporal.address, or start a farm on this machine with \'firn up\'')

  // in a clone whose sources changed since set-up; what was built before is served where that fails
  const pages = canBuildPages() ? buildPages({ say: (text) => logger.info(text) }).catch((error: unknown) => logger.error({ err: error }, 'the web pages could not be built')) : undefined
  await migrate(databaseUrl(settings))
  const database = openFarmDatabase({ ...settings.database, url: databaseUrl(settings) })
  const [store, motion] = await Promise.all([
    openStore(storeSettings(settings), (message) => logger.warn(message)),
    connectMotion({ ...settings.temporal, address }, { interceptors: { workflow: [new OpenTelemetryWorkflowClientInterceptor()] } }),
  ])
  const metrics = createMetrics()
  farmGauges(metrics.registry, () => farmFigures({ database, store }))
  await pages
  const api = await startApi({ settings, version, database, store, motion, logger, metrics }, { preferredPorts: [7780], pages: PAGES })
  return {
    stop: async () => {
      await api.close()
      await motion.close()
      await store.close()
      await database.close()
      await tracing.shutdown()
    },
  }
}
