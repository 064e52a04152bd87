/**
 * Ring: castore (portable: nothing of Node, nothing of other rings). What this ring throws.
 */

/** Bytes or text that are not what castore writes. Nothing else is thrown on malformed input. */
export class CastoreFormatError extends Error {
  readonly kind = 'format'
  /** Byte offset where it was noticed, where that is known. */
  readonly position: number | undefined

  constructor(message: string, options: { readonly position?: number; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'CastoreFormatError'
    this.position = options.position
  }
}
