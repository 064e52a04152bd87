/**
 * Ring: cli. Stands in for `nix-eval-jobs`: the jobs of an expression as JSON lines, as they are found. Flags about garbage
 * collector roots and the store are taken and change nothing here. Started by compat/bin/nix-eval-jobs with a large stack.
 */
import { defaultHome } from '../../config/machine.ts'
import { byteStringOfNative } from '../../evaluator/paths.ts'
import { readFlakeArgument } from '../flake-argument.ts'
import { isShared, runJobPool } from './job-pool.ts'
import { NixArguments, UsageError } from './nix-arguments.ts'
import { writeBytes } from './output.ts'
import { DEFAULT_JOBS, DEFAULT_MEGABYTES, type EvaluateOptions, type JobsOptions } from './options.ts'
import { evaluateHere } from './run.ts'
import type { SubstitutesOptions } from './substitutes.ts'

const CHECK_CACHE = '--check-cache-status'

/** `substitutes`: whom the settings say to ask for what is built already. */
export function parseNixEvalJobs(words: readonly string[], environment: NodeJS.ProcessEnv, substitutes: SubstitutesOptions): EvaluateOptions | { readonly print: string } {
  const common = new NixArguments(words, environment)
  const files: string[] = []
  let jobs: JobsOptions = { ...DEFAULT_JOBS, failOnError: false }
  let processes: JobsOptions['processes']
  let [isExpression, isFlake, readOnly, checksCache] = [false, false, false, false]
  for (let word = common.next(); word !== undefined; word = common.next()) {
    switch (word) {
      case '--help': return { print: 'USAGE: nix-eval-jobs [options] expr\n' }
      case '--expr': case '-E': isExpression = true; break
      case '--meta': jobs = { ...jobs, meta: true }; break
      case '--show-input-drvs': jobs = { ...jobs, showInputDrvs: true }; break
      case '--force-recurse': jobs = { ...jobs, forceRecurse: true }; break
      case '--constituents': jobs = { ...jobs, constituents: true }; break
      case '--select': jobs = { ...jobs, select: common.value(word) }; break
      case '--no-instantiate': readOnly = true; break
      case '--flake': isFlake = true; break
      case '--apply': jobs = { ...jobs, apply: common.value(word) }; break
      case '--workers': processes = { megabytes: DEFAULT_MEGABYTES, ...processes, count: count(word, common.value(word)) }; break
      case '--max-memory-size': processes = { count: 1, ...processes, megabytes: count(word, common.value(word)) }; break
      case CHECK_CACHE: checksCache = true; break
      default:
        if (common.take(word)) break
        if (word.startsWith('-')) throw new UsageError(`unrecognised flag '${word}'`)
        files.push(word)
    }
  }
  const [source, ...others] = files
  if (source === undefined) throw new UsageError('no expression specified')
  if (others.length > 0) throw new UsageError(`unexpected argument '${others[0]!}'`)
  const flake = isFlake ? readFlakeArgument(source) : undefined
  const settings = common.settings()
  return {
    work: 'jobs', inputs: [flake !== undefined ? { kind: 'flake', reference: flake.reference, prefixes: [] } : isExpression ? { kind: 'expression', text: source } : { kind: 'file', path: source }], attributes: flake === undefined || flake.attribute === '' ? [] : [flake.attribute],
    arguments: common.arguments, format: 'json', strict: false, locations: false, readOnly,
    home: environment['FIRN_HOME'] ?? defaultHome(environment), settings: flake === undefined || common.isImpure ? settings : { ...settings, mode: 'pure' }, language: common.language(),
    // one process without a limit is this one
    jobs: { ...jobs, ...(processes && { processes }), ...(checksCache && { checkCache: common.substitutes(substitutes) }) },
  }
}

/** Settings are read only where they matter, since reading them costs as much as a small evaluation. */
async function configuredSubstitutes(): Promise<SubstitutesOptions> {
  const [{ loadSettings }, { substituterSettings }] = await Promise.all([import('../../config/load.ts'), import('../../store/from-settings.ts')])
  return substituterSettings(loadSettings().settings)
}

function count(flag: string, text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1) throw new UsageError(`flag '${flag}' wants a number above 0, not '${text}'`)
  return number
}

export async function nixEvalJobs(words: readonly string[]): Promise<number> {
  try {
    const options = parseNixEvalJobs(words, process.env, words.includes(CHECK_CACHE) ? await configuredSubstitutes() : { substituters: [], trustedPublicKeys: [] })
    if (!('print' in options)) return isShared(options) ? await runJobPool(options) : evaluateHere(options)
    writeBytes(1, options.print)
    return 0
  } catch (error) {
    // by name: what is imported later has a class of its own where launch.ts runs this
    if (error instanceof Error && error.name.startsWith('FirnError(')) {
      writeBytes(2, `error: ${byteStringOfNative(error.message)}\n`)
      return 1
    }
    if (!(error instanceof UsageError)) throw error
    writeBytes(2, `error: ${error.message}\nTry 'nix-eval-jobs --help' for more information.\n`)
    return 1
  }
}

// the name says so where launch.ts runs it
if (process.argv[1] === import.meta.filename) void nixEvalJobs(process.argv.slice(2)).then((code) => { process.exitCode = code })
