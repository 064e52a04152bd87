/** Ring: store. The store's settings out of Firn's: one place for worker and API, which must mean the same store. */
import { databaseUrl } from '../config/database-url.ts'
import type { Settings } from '../config/settings.ts'
import { readComposition } from './composition.ts'
import type { StoreSettings } from './settings.ts'

/** Whom to ask for paths, and whom to believe. Errors: 'invalid-input' for a store composition that can't be read. */
export function substituterSettings({ store, substituters }: Pick<Settings, 'store' | 'substituters'>): Pick<StoreSettings, 'substituters' | 'trustedPublicKeys'> & { readonly timeoutSeconds: number } {
  const composition = store.composition === undefined ? undefined : readComposition(store.composition)
  return {
    // the order of the list is the order of preference
    substituters: composition?.substituters ?? substituters.urls.map((url, index) => ({ url, priority: index + 1 })),
    trustedPublicKeys: composition?.trustedPublicKeys ?? substituters.trustedKeys,
    timeoutSeconds: substituters.timeoutSeconds,
  }
}

/** Errors: 'missing-requirement' without a database, 'invalid-input' for a store composition that can't be read. */
export function storeSettings(settings: Settings): StoreSettings & { readonly localStoreDir: string } {
  const { store, substituters, cache } = settings
  const composition = store.composition === undefined ? undefined : readComposition(store.composition)
  return {
    databaseUrl: databaseUrl(settings),
    databaseConnections: settings.database.connections,
    blobs: composition?.blobs ?? store.blobs,
    localStoreDir: store.localFolder,
    localStoreBytes: store.localBytes,
    ...substituterSettings(settings),
    substituterTimes: { negativeSeconds: substituters.negativeSeconds, timeoutSeconds: substituters.timeoutSeconds, pauseSeconds: substituters.pauseSeconds },
    signingKeyFile: cache.keyFile,
  }
}
