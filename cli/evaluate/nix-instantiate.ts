/**
 * Ring: cli. Stands in for `nix-instantiate`: reads its command line and answers as it does on standard output, standard error and with the
 * exit code. Started by compat/bin/nix-instantiate with a large stack.
 */
import { defaultHome } from '../../config/machine.ts'
import { writeBytes } from './output.ts'
import { NixArguments, UsageError } from './nix-arguments.ts'
import { DEFAULT_JOBS, NIX_VERSION, type EvaluateOptions, type Input } from './options.ts'
import { evaluateHere } from './run.ts'

/** The options, or a text to print instead of evaluating. */
export function parseNixInstantiate(words: readonly string[], environment: NodeJS.ProcessEnv): EvaluateOptions | { readonly print: string } {
  const common = new NixArguments(words, environment)
  const files: string[] = []
  const attributes: string[] = []
  let work: EvaluateOptions['work'] = 'instantiate'
  let format: EvaluateOptions['format'] = 'plain'
  let [standardInput, fromArguments, locations, strict, readWrite, dryRun] = [false, false, true, false, false, false]
  for (let word = common.next(); word !== undefined; word = common.next()) {
    switch (word) {
      case '--help': return { print: 'nix-instantiate [OPTIONS] [FILES]: see https://nix.dev/manual/nix/2.26/command-ref/nix-instantiate\n' }
      case '--version': return { print: `nix-instantiate (Nix) ${NIX_VERSION}\n` }
      case '-': standardInput = true; break
      case '--expr': case '-E': fromArguments = true; break
      case '--eval': case '--eval-only': if (work !== 'parse') work = 'eval'; break
      case '--read-write-mode': readWrite = true; break
      case '--parse': case '--parse-only': work = 'parse'; break
      case '--find-file': work = 'find-file'; break
      case '--attr': case '-A': attributes.push(common.value(word)); break
      case '--add-root': common.value(word); break
      case '--indirect': break
      case '--raw': format = 'raw'; break
      case '--xml': format = 'xml'; break
      case '--json': format = 'json'; break
      case '--no-location': locations = false; break
      case '--strict': strict = true; break
      case '--dry-run': dryRun = true; break
      default:
        if (common.take(word)) break
        if (word.startsWith('-') && word !== '') throw new UsageError(`unrecognised flag '${word}'`)
        files.push(word)
    }
  }
  const inputs: Input[] = standardInput ? [{ kind: 'standard-input' }] : []
  if (!standardInput && files.length === 0 && !fromArguments && work !== 'find-file') files.push('./default.nix')
  for (const file of files) inputs.push(fromArguments && work !== 'find-file' ? { kind: 'expression', text: file } : { kind: 'file', path: file })
  return {
    work, inputs, attributes, arguments: common.arguments, format, strict, locations,
    readOnly: dryRun || (work !== 'instantiate' && !readWrite),
    home: environment['FIRN_HOME'] ?? defaultHome(environment), settings: common.settings(), language: common.language(), jobs: DEFAULT_JOBS,
  }
}

export function nixInstantiate(words: readonly string[]): number {
  try {
    const options = parseNixInstantiate(words, process.env)
    if (!('print' in options)) return evaluateHere(options)
    writeBytes(1, options.print)
    return 0
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    writeBytes(2, `error: ${error.message}\nTry 'nix-instantiate --help' for more information.\n`)
    return 1
  }
}

// the name says so where launch.ts runs it
if (process.argv[1] === import.meta.filename) process.exitCode = nixInstantiate(process.argv.slice(2))
