/**
 * Ring: cli. What an evaluation on this machine stands on: an evaluator over local files, with the local store under Firn's home (and
 * the machine's own /nix/store, if there is one, to read from). Downloads are made at once; nothing can be built here, so that need is an
 * error that says so.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Need } from '../../contract/evaluations.ts'
import { Evaluator } from '../../eval/evaluator.ts'
import { FileIO } from '../../evaluator/file-io.ts'
import { useNodeHashes } from '../../evaluator/hashes.ts'
import { LocalStoreFolder } from '../../evaluator/local-store.ts'
import { byteStringOfNative } from '../../evaluator/paths.ts'
import { SyntaxFile } from '../../evaluator/syntax-file.ts'
import { fetchHere } from './fetch-here.ts'
import type { EvaluateOptions } from './options.ts'
import { printMessage } from './output.ts'
import { Substitutes } from './substitutes.ts'

export interface World {
  readonly io: FileIO
  readonly evaluator: Evaluator
  /** The working folder, as a byte string. */
  readonly folder: string
  readonly substitutes: Substitutes
  /** Removes what was made for this evaluation only. */
  close(): void
}

export function openWorld(options: EvaluateOptions): World {
  useNodeHashes()
  const storeFolder = join(options.home, 'store')
  const store = options.readOnly ? undefined : new LocalStoreFolder(storeFolder)
  let scratch: string | undefined
  const storeFolders = [storeFolder, ...(existsSync('/nix/store') ? ['/nix/store'] : [])]
  const io = new FileIO({
    storeFolders: storeFolders.map(byteStringOfNative),
    environment: new Map(Object.entries(process.env).map(([name, value]) => [byteStringOfNative(name), byteStringOfNative(value ?? '')])),
    journal: {},
    asksForUnknownPaths: false,
    scratchFolder: () => (scratch ??= mkdtempSync(join(tmpdir(), 'firn-eval-'))),
    ...(store !== undefined && { add: (addition) => store.add(addition) }),
    record: () => undefined,
    trace: printMessage,
    answerNow: (need) => fetchHere(need, { cache: join(options.home, 'repositories'), store: storeFolder }),
  })
  const folder = byteStringOfNative(process.cwd())
  const { language } = options
  const syntax = syntaxFile(options)
  const evaluator = new Evaluator({ io, settings: options.settings, workingFolder: folder, traceVerbose: language.traceVerbose, language, syntax })
  const substitutes = new Substitutes(options.jobs.checkCache ?? { substituters: [], trustedPublicKeys: [] }, storeFolders)
  const close = (): void => {
    syntax?.close()
    if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true })
  }
  return { io, evaluator, folder, substitutes, close }
}

/** Beside the compiled code of the programs, where that is kept. */
function syntaxFile({ settings, language }: EvaluateOptions): SyntaxFile | undefined {
  const folder = process.env['NODE_COMPILE_CACHE']
  return folder === undefined || folder === '' ? undefined : new SyntaxFile({ folder: join(folder, 'syntax'), settings, language })
}

/** What to tell of a need that nobody here can meet. */
export function unmetNeed(need: Need): string {
  const farm = 'a farm can (firn build, firn up)'
  switch (need.kind) {
    case 'realise': return `cannot build '${need.drvPath}' during evaluation: this command does not build, ${farm}`
    case 'fetch': return `'${need.storePath}' has not been downloaded`
    case 'unlocked-fetch': return `'${need.request.url}' has not been downloaded`
    case 'path': return `path '${need.storePath}' is not in the local store: ${farm}`
  }
}
