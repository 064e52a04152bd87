/** Standard output and error of evaluations: bytes as they are, written at once, in the order in which things happen. */
import { Buffer } from 'node:buffer'
import { writeSync } from 'node:fs'
import { byteStringOfNative } from '../../evaluator/paths.ts'

/** Writes a byte string to standard output (1) or standard error (2). */
export function writeBytes(descriptor: 1 | 2, text: string): void {
  const bytes = Buffer.from(text, 'latin1')
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(descriptor, bytes, at)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
    }
  }
}

/** A trace or warning as Nix shows it; the text is ordinary text. */
export function printMessage(level: 'trace' | 'warn', text: string): void {
  if (level === 'trace') return writeBytes(2, `trace: ${byteStringOfNative(text)}\n`)
  const evaluation = 'evaluation warning:'
  writeBytes(2, text.startsWith(evaluation) ? `${byteStringOfNative(text)}\n` : `warning: ${byteStringOfNative(text)}\n`)
}
