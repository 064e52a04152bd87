/** Ring: store. What `openStore` needs to know; config/ reads it from TOML and the environment. */
import type { ObjectTree } from './composition.ts'

export interface StoreSettings {
  /** `postgres://…`; absent keeps the index in memory (tests, one-off commands). */
  readonly databaseUrl?: string
  /** Most connections that this process's store opens; 8 unless given. */
  readonly databaseConnections?: number
  /** Where blobs lie: `memory:`, `file:///folder` or `s3://bucket/prefix?endpoint=…&region=…&pathStyle=true`; or a tree of such (composition.ts). */
  readonly blobs: string | ObjectTree
  /** Only for `s3:`; absent means the SDK's usual chain (environment, profile, instance). */
  readonly s3Credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** Where a worker lays out paths; used by `openWorkerStore` only. */
  readonly localStoreDir?: string
  /** Bound of the local store in bytes of NARs; what is leased is kept beyond it. 20 GiB unless given. */
  readonly localStoreBytes?: number
  readonly substituters: readonly SubstituterSettings[]
  readonly substituterTimes?: { readonly negativeSeconds?: number; readonly timeoutSeconds?: number; readonly pauseSeconds?: number }
  /** `name:base64`, as Nix' trusted-public-keys. */
  readonly trustedPublicKeys: readonly string[]
  /** File that holds the farm's signing key; made with a new key where it doesn't exist. Absent: nothing is signed. */
  readonly signingKeyFile?: string
  /** Name of a key that is made: `firn-1` unless given. */
  readonly signingKeyName?: string
}

export interface SubstituterSettings {
  /** `https://…`, `http://…` or `file:///…`. */
  readonly url: string
  /** Lower is asked first; absent takes what the cache itself says (50 unless it does). */
  readonly priority?: number
}
