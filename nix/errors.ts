/**
 * Ring: nix (portable: nothing of Node, nothing of other rings). What this ring throws.
 */

/**
 * Text or bytes that are not what Nix's formats allow. Every reader and parser of this ring throws this and nothing
 * else on malformed input, so that a caller can tell bad input from a bug.
 */
export class FormatError extends Error {
  readonly kind = 'format'
  /** Offset in the input (bytes or characters) where it was noticed, where that is known. */
  readonly position: number | undefined

  constructor(message: string, options: { readonly position?: number; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'FormatError'
    this.position = options.position
  }
}
