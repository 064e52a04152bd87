/** Ring: store. The store's settings out of Firn's: one place for worker and API, which must mean the same store. */
import { databaseUrl } from '../config/database-url.ts'
import type { Settings } from '../config/settings.ts'
import type { StoreSettings } from './settings.ts'

/** Errors: 'missing-requirement' without a database. */
export function storeSettings(settings: Settings): StoreSettings & { readonly localStoreDir: string } {
  const { store, substituters, cache } = settings
  return {
    databaseUrl: databaseUrl(settings),
    databaseConnections: settings.database.connections,
    blobs: store.blobs,
    localStoreDir: store.localFolder,
    localStoreBytes: store.localBytes,
    // the order of the list is the order of preference
    substituters: substituters.urls.map((url, index) => ({ url, priority: index + 1 })),
    substituterTimes: { negativeSeconds: substituters.negativeSeconds, timeoutSeconds: substituters.timeoutSeconds, pauseSeconds: substituters.pauseSeconds },
    trustedPublicKeys: substituters.trustedKeys,
    signingKeyFile: cache.keyFile,
  }
}
