/**
 * Ring: fetchers. What a download is and how it ends. Upstream counterpart: FileTransferRequest and FileTransferResult
 * (libstore/include/nix/store/filetransfer.hh).
 */

export interface DownloadSettings {
  /** Beginning of an address → what to try in its place, in order, before the address itself. The longest beginning counts. */
  readonly mirrors: Readonly<Record<string, readonly string[]>>
  /** Servers that keep files as `ADDRESS/<algorithm>/<base 16>`; only for files known by the hash of their bytes. */
  readonly hashedMirrors: readonly string[]
  /** Tries at one address. A try that got some bytes goes on where the last one stopped. */
  readonly tries: number
  /** Time to connect and to begin an answer. */
  readonly connectSeconds: number
  /** Time without a byte. */
  readonly stallSeconds: number
  /** Pause before the second try, doubled for each further one. */
  readonly pauseSeconds: number
  /** netrc(5) file with names and passwords. */
  readonly netrc?: string
  /** PEM file of authorities; by default the machine's own. */
  readonly certificates?: string
}

export const DOWNLOAD_DEFAULTS: DownloadSettings = {
  mirrors: {},
  hashedMirrors: [],
  tries: 4,
  connectSeconds: 20,
  stallSeconds: 60,
  pauseSeconds: 0.25,
}

export interface DownloadProgress {
  /** Where the bytes come from. */
  readonly url: string
  readonly bytes: number
  /** Size of the whole, where the server said it. */
  readonly total?: number
}

export interface DownloadOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: DownloadProgress) => void
  /** Bytes that were passed on will be checked by their hash, so that a download may go on from any copy of the file. */
  readonly checked?: boolean
}

/** An answer that has begun. */
export interface Download {
  /** Address of the answer, after redirects. */
  readonly url: string
  readonly total?: number
  /** `Link: <…>; rel="immutable"` of any answer on the way: the address under which this very content stays. */
  readonly immutableUrl?: string
  /** The bytes, read once. Goes on by itself when a connection breaks; throws DownloadError where that fails. */
  readonly content: AsyncIterable<Uint8Array>
}
