/** The API over a Postgres database, a store in files and a Temporal server of the test's own. Close what it gives. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { settingsSchema } from '../../config/settings.ts'
import { freePort } from '../../infra/embedded/ports.ts'
import { startTemporal } from '../../infra/embedded/temporal.ts'
import { createLogger } from '../../infra/observability/logging.ts'
import { createMetrics, farmGauges } from '../../infra/observability/metrics.ts'
import { openFarmDatabase } from '../../state/database.ts'
import { connectMotion, type Motion } from '../../state/motion.ts'
import { openStore, type Store } from '../../store/open.ts'
import { testDatabase } from '../../test/support/database.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { farmFigures } from '../queries/farm.ts'
import { type RunningApi, startApi } from '../server.ts'

export interface TestApi {
  readonly api: RunningApi
  readonly dependencies: ApiDependencies & { readonly store: Store }
  readonly folder: string
  /** The body of a JSON answer and its response. */
  get(path: string, headers?: Record<string, string>): Promise<{ readonly status: number; readonly headers: Headers; readonly body: unknown }>
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<{ readonly status: number; readonly headers: Headers; readonly body: unknown }>
  close(): Promise<void>
}

export interface TestApiOptions {
  /** Settings by section, as in the TOML file. */
  readonly settings?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** Folder of built web pages. */
  readonly pages?: string
  /** Another test's, to share its server. */
  readonly motion?: Motion
}

export async function startTestApi(options: TestApiOptions = {}): Promise<TestApi> {
  const folder = await mkdtemp(join(tmpdir(), 'firn-api-'))
  const { url } = await testDatabase()
  const settings = settingsSchema({ home: folder, cores: 2, memoryBytes: 2 ** 32, system: 'x86_64-linux', hostName: 'test' })
    .parse({ ...options.settings, database: { url } })
  const database = openFarmDatabase({ url, connections: 8 })
  const store = await openStore({ databaseUrl: url, blobs: pathToFileURL(join(folder, 'blobs')).href, substituters: [], trustedPublicKeys: [], signingKeyFile: settings.cache.keyFile })
  const motion = options.motion ?? await sharedMotion()
  const metrics = createMetrics({ processMetrics: false })
  const logger = createLogger({ name: 'test', level: process.env['FIRN_TEST_LOG'] === undefined ? 'silent' : 'debug' })
  const dependencies = { settings, version: '0.0.0-test', database, store, motion, logger, metrics }
  farmGauges(metrics.registry, () => farmFigures(dependencies))
  const api = await startApi(dependencies, { checkResponses: true, ...(options.pages !== undefined && { pages: options.pages }) })

  const send: TestApi['send'] = async (method, path, body, headers = {}) => {
    const response = await fetch(api.url + path, { method, headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers }, ...(body !== undefined && { body: JSON.stringify(body) }) })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) as unknown : text }
  }
  return {
    api,
    dependencies,
    folder,
    get: (path, headers) => send('GET', path, undefined, headers),
    send,
    close: async () => {
      await api.close()
      await store.close()
      await database.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

let temporal: Promise<{ motion: Motion; stop: () => Promise<void> }> | undefined

/** One Temporal server for a test file; `stopTemporal` ends it. */
async function sharedMotion(): Promise<Motion> {
  temporal ??= (async () => {
    const folder = await mkdtemp(join(tmpdir(), 'firn-temporal-'))
    const port = await freePort()
    const server = await startTemporal({ databaseFile: join(folder, 'temporal.db'), port, namespace: 'default', logFile: join(folder, 'temporal.log') })
    const motion = await connectMotion({ address: `127.0.0.1:${port}`, namespace: 'default' })
    return {
      motion,
      stop: async () => {
        await motion.close()
        await server.stop()
        await rm(folder, { recursive: true, force: true })
      },
    }
  })()
  return (await temporal).motion
}

export async function stopTemporal(): Promise<void> {
  await (await temporal)?.stop()
  temporal = undefined
}
