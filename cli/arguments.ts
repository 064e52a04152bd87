/**
 * Ring: cli. Options that describe an evaluation, as nix-build spells them. `--arg NAME EXPR` and `--argstr NAME TEXT` take
 * two words, which commander's options can't: `joinPairs` makes one word of the two before it parses.
 */
import type { Command} from 'commander';
import { Option } from 'commander'
import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { EvaluationSubmission } from '../contract/api.ts'
import type { EvaluationArgument, EvaluationSettings } from '../contract/evaluations.ts'
import { FirnError } from '../contract/errors.ts'
import { isFlakeArgument, readFlakeArgument } from './flake-argument.ts'
import { isFetched, parseNixPath, parseSearchPathEntry } from './evaluate/options.ts'

/** Between name and value of a joined pair; no shell word can hold it. */
const SEPARATOR = '\0'
const PAIRS = new Set(['--arg', '--argstr'])

/** `--arg NAME VALUE` → `--arg NAME\0VALUE`. Errors: 'invalid-input' where a word is missing. */
export function joinPairs(words: readonly string[]): string[] {
  const joined: string[] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    joined.push(word)
    if (word === '--') return [...joined, ...words.slice(i + 1)]
    if (!PAIRS.has(word)) continue
    const [name, value] = [words[i + 1], words[i + 2]]
    if (name === undefined || value === undefined) throw new FirnError('invalid-input', `${word} takes two words: ${word} NAME ${word === '--arg' ? 'EXPRESSION' : 'TEXT'}`)
    joined.push(name + SEPARATOR + value)
    i += 2
  }
  return joined
}

export interface EvaluationOptions {
  readonly attr?: readonly string[]
  readonly expr?: string
  readonly arg?: Readonly<Record<string, EvaluationArgument>>
  readonly include?: readonly string[]
  readonly system?: string
  readonly pure?: boolean
  readonly restrict?: boolean
  readonly impure?: boolean
  readonly importFromDerivation: boolean
  readonly showTrace?: boolean
}

const repeated = (value: string, before: readonly string[] | undefined): string[] => [...(before ?? []), value]

/** Adds the options to a command. */
export function addEvaluationOptions(command: Command): Command {
  const arguments_: Record<string, EvaluationArgument> = {}
  const pair = (kind: EvaluationArgument['kind']) => (joined: string): Record<string, EvaluationArgument> => {
    const at = joined.indexOf(SEPARATOR)
    arguments_[joined.slice(0, at)] = { kind, value: joined.slice(at + 1) }
    return arguments_
  }
  return command
    .option('-A, --attr <path>', 'attribute to take; may be given several times', repeated)
    .option('-E, --expr <text>', 'evaluate this expression instead of a file')
    .addOption(new Option('--arg <name> <expression>', 'argument of the top function, an expression').argParser(pair('expression')))
    // both fill the same object, which `arg` holds
    .addOption(new Option('--argstr <name> <text>', 'argument of the top function, a text').argParser(pair('string')))
    .hook('preAction', (_, action) => {
      if (Object.keys(arguments_).length > 0) action.setOptionValue('arg', arguments_)
    })
    .option('-I, --include <path>', 'entry of the search path, PATH or NAME=PATH; may be given several times', repeated)
    .option('--system <name>', 'builtins.currentSystem, for example x86_64-linux')
    .option('--pure', 'no access to time, environment, search path or files that were not given')
    .option('--restrict', 'no access to files that were not given')
    .option('--impure', 'access to whatever the evaluator may reach (the default on a farm of this machine)')
    .option('--no-import-from-derivation', 'fail where evaluation needs something built')
    .option('--show-trace', 'show where an evaluation error came through')
}

/** An entry of the search path as the farm takes it: folders absolute. */
function absoluteEntry(entry: { readonly prefix: string, readonly path: string }): { prefix: string, path: string } {
  return { prefix: entry.prefix, path: isFetched(entry.path) ? entry.path : resolve(entry.path) }
}

/** Settings of an evaluation on a farm; `local` farms evaluate as nix-build would unless told otherwise. */
export function evaluationSettings(options: EvaluationOptions, local: boolean, environment: NodeJS.ProcessEnv = process.env): Partial<EvaluationSettings> {
  const mode = options.pure ? 'pure' : options.restrict ? 'restricted' : options.impure || local ? 'impure' : undefined
  const searchPath = [...(options.include ?? []).map(parseSearchPathEntry), ...(local ? parseNixPath(environment['NIX_PATH'] ?? '') : [])].map(absoluteEntry)
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(options.system === undefined ? {} : { currentSystem: options.system }),
    ...(searchPath.length === 0 ? {} : { searchPath }),
    ...(options.importFromDerivation ? {} : { allowImportFromDerivation: false }),
    ...(options.showTrace ? { showTrace: true } : {}),
  }
}

/** What of the file argument is to be evaluated. */
export type LocalSource =
  | { readonly kind: 'file', readonly path: string, readonly isFolder: boolean }
  | { readonly kind: 'expression', readonly text: string }
  | { readonly kind: 'flake', readonly reference: string, readonly attribute: string }
  | { readonly kind: 'derivations', readonly drvPaths: readonly string[] }

/** Errors: 'not-found' for a file that isn't there, 'invalid-input' where file and `-E` are both given. */
export function localSource(files: readonly string[], options: EvaluationOptions): LocalSource {
  if (options.expr !== undefined) {
    if (files.length > 0) throw new FirnError('invalid-input', `give either a file or -E, not both ('${files[0]}')`)
    return { kind: 'expression', text: options.expr }
  }
  if (files.length > 0 && files.every((file) => file.endsWith('.drv'))) return { kind: 'derivations', drvPaths: files }
  if (files.length === 1 && isFlakeArgument(files[0]!)) return { kind: 'flake', ...readFlakeArgument(files[0]!) }
  if (files.length > 1) throw new FirnError('invalid-input', `one file at a time: '${files[1]}' is too many`)
  const path = resolve(files[0] ?? 'default.nix')
  if (!existsSync(path)) {
    throw new FirnError('not-found', files.length === 0 ? 'no file was given and there is no default.nix here' : `there is no file '${files[0]}'`)
  }
  return { kind: 'file', path, isFolder: statSync(path).isDirectory() }
}

export type SubmittedSource = EvaluationSubmission['source']
