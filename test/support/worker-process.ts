/** A worker as a process of its own, for tests that kill it: settings as JSON in the first argument, by dotted name. */
import { loadSettings } from '../../config/load.ts'
import { createLogger } from '../../infra/observability/logging.ts'
import { createMetrics } from '../../infra/observability/metrics.ts'
import { quietRuntime, startWorker } from '../../worker/worker.ts'

const { settings } = loadSettings({ environment: process.env, overrides: JSON.parse(process.argv[2]!) as Record<string, string> })
const logger = createLogger({ name: 'worker', level: process.env['FIRN_TEST_LOGS'] === 'debug' ? 'debug' : 'info' })
quietRuntime(logger)
const worker = await startWorker(settings, { logger, figures: createMetrics({ processMetrics: false }) })
/** Longer than a worker may take to stop. */
const STOP_SECONDS = 40
const stop = (): void => {
  void worker.stop().then(() => process.exit(0))
  setTimeout(() => {
    console.error(`the worker has not stopped within ${STOP_SECONDS} s`)
    process.exit(1)
  }, STOP_SECONDS * 1000)
}
process.on('SIGTERM', stop)
// the test that forked this is gone
process.on('disconnect', stop)
worker.ended.catch(() => process.exit(1))
process.send?.('ready')
