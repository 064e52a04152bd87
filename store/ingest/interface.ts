/**
 * Ring: store. What every source of content looks like on its way into the store: a stream of entries.
 * Upstream counterpart: Nix' FileSystemObjectSink, tvix' castore import.
 */

/**
 * Paths are relative to the root, `/`-separated, names as latin1 byte strings (each character one byte, so that any file name
 * survives); '' is the root itself. A parent comes before its children. Content must be read before the next entry is asked for.
 */
export type Entry =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string; readonly executable: boolean; readonly content: Uint8Array | AsyncIterable<Uint8Array>; readonly size?: number }
  | { readonly kind: 'symlink'; readonly path: string; /** bytes as latin1 */ readonly target: string }
  /** A hard link inside a tarball: the same content as a file that came before. */
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
