/** Worlds for tests: memory with files of this folder in it. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { EvaluationSettings } from '../../contract/evaluations.ts'
import { MemoryIO } from '../memory-io.ts'

export const SETTINGS: EvaluationSettings = {
  currentSystem: 'x86_64-linux', nixVersion: '2.26.3', mode: 'impure', allowedUris: [], allowedPaths: [], searchPath: [], allowImportFromDerivation: true, showTrace: false,
}

/** A memory world with a copy of a real folder at `path`. */
export function memoryOf(folder: string, path: string): MemoryIO {
  const io = new MemoryIO()
  const copy = (from: string, to: string): void => {
    const status = lstatSync(from)
    if (status.isSymbolicLink()) io.writeLink(to, readlinkSync(from))
    else if (status.isDirectory()) {
      io.makeFolder(to)
      for (const name of readdirSync(from)) copy(`${from}/${name}`, `${to}/${name}`)
    } else io.writeFile(to, readFileSync(from), (status.mode & 0o100) !== 0)
  }
  copy(folder, path)
  return io
}
