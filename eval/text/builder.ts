/** Makes values out of what a data format says, so that parsers need not know how the evaluator represents them. */
export interface ValueBuilder<T> {
  null(): T
  boolean(value: boolean): T
  /** Fits into 64 bits, signed. */
  integer(value: bigint | number): T
  float(value: number): T
  /** A byte string without NUL. */
  string(value: string): T
  list(values: T[]): T
  attributes(values: Map<string, T>): T
}

/** How Nix complains of a string that it can't hold; the message of the error to throw, undefined if all is well. */
export function nullByteMessage(text: string): string | undefined {
  if (!text.includes('\0')) return undefined
  return `input string '${text.replaceAll('\0', '\u00e2\u0090\u0080')}' cannot be represented as Nix string because it contains null bytes`
}
