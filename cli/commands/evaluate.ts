/** Ring: cli. `firn eval`, `firn instantiate`, `firn jobs`: evaluation on this machine, without a farm; see cli/evaluate/. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { FirnError } from '../../contract/errors.ts'
import { addEvaluationOptions, type EvaluationOptions } from '../arguments.ts'
import { type GlobalOptions, loadForCommand } from '../context.ts'
import { DEFAULT_JOBS, DEFAULT_LANGUAGE, DEFAULT_MEGABYTES, defaultSettings, type EvaluateOptions, type Input, type JobsOptions, parseSearchPathEntry } from '../evaluate/options.ts'
import { isFlakeArgument, packagePrefixes, readFlakeArgument } from '../flake-argument.ts'
import { evaluateInProcess } from '../evaluate/start.ts'
import { ExitSilently } from '../output.ts'
import { substituterSettings } from '../../store/from-settings.ts'

interface HereOptions extends EvaluationOptions, GlobalOptions {
  readonly strict?: boolean
  readonly xml?: boolean
  readonly raw?: boolean
  readonly readOnly?: boolean
  readonly meta?: boolean
  readonly showInputDrvs?: boolean
  readonly forceRecurse?: boolean
  readonly constituents?: boolean
  readonly checkCacheStatus?: boolean
  readonly select?: string
  readonly apply?: string
  readonly workers?: number
  readonly maxMemorySize?: number
}

const NO_FARM = `
Works without a farm, and builds nothing: where evaluation needs something built it fails and says what. What it
needs downloaded is downloaded, to FIRN_HOME/store. Derivations and sources go there too, unless --read-only is given.`

export function evalCommand(command: Command): Command {
  return common(command.description('Evaluate an expression on this machine and print the value.'))
    .option('--strict', 'evaluate everything in the value')
    .addOption(new Option('--xml', 'print XML, as nix-instantiate does').conflicts('raw'))
    .option('--raw', 'print a string without quotes')
    .addHelpText('after', `${NO_FARM}

Examples:
  firn eval -E '1 + 1'
  firn eval --json --strict -A meta ./package.nix
  firn eval release.nix --arg debug true -A version --raw`)
    .action((files: string[], options: HereOptions) => run('eval', files, options, {
      format: options.json ? 'json' : options.xml ? 'xml' : options.raw ? 'raw' : 'plain',
    }))
}

export function instantiateCommand(command: Command): Command {
  return common(command.description('Write the derivations of an expression, and print their paths, one a line.'))
    .addHelpText('after', `${NO_FARM}

Examples:
  firn instantiate -A hello
  firn instantiate --read-only release.nix`)
    .action((files: string[], options: HereOptions) => run('instantiate', files, options, {}))
}

export function jobsCommand(command: Command): Command {
  return common(command.description('Find the derivations in an expression, and print each as a line of JSON with the fields of nix-eval-jobs.'))
    .option('--meta', 'with `meta`')
    .option('--show-input-drvs', 'with the derivations each needs')
    .option('--constituents', 'resolve the constituents that aggregates (_hydraAggregate) name, and show them')
    .option('--check-cache-status', 'tell whether the outputs are in a store of this machine or of a substituter')
    .option('--select <function>', 'apply a function to the whole value first')
    .option('--apply <function>', 'apply a function to each job and show the result as extraValue')
    .option('--force-recurse', 'walk into every attribute set, not only those that say recurseForDerivations')
    .option('--workers <count>', 'share the work among so many processes', wholeNumber)
    .option('--max-memory-size <megabytes>', 'replace a process that has grown beyond this between two attributes (default with --workers: 4096)', wholeNumber)
    .addHelpText('after', `${NO_FARM}

Examples:
  firn jobs release.nix
  firn jobs --workers 4 --max-memory-size 2048 release.nix
  firn jobs --meta release.nix | jq -r 'select(.error == null) | .drvPath'`)
    .action((files: string[], options: HereOptions) => run('jobs', files, options, {
      jobs: { ...DEFAULT_JOBS, meta: options.meta ?? false, showInputDrvs: options.showInputDrvs ?? false, forceRecurse: options.forceRecurse ?? false, constituents: options.constituents ?? false, ...(options.checkCacheStatus && { checkCache: substituterSettings(loadForCommand(options).settings) }), ...(options.select === undefined ? {} : { select: options.select }), ...(options.apply === undefined ? {} : { apply: options.apply }), ...processesOf(options) },
    }))
}

function processesOf({ workers, maxMemorySize }: HereOptions): Pick<JobsOptions, 'processes'> {
  return workers === undefined && maxMemorySize === undefined ? {} : { processes: { count: workers ?? 1, megabytes: maxMemorySize ?? DEFAULT_MEGABYTES } }
}

function wholeNumber(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1) throw new InvalidArgumentError('It must be a whole number above 0.')
  return number
}

function common(command: Command): Command {
  return addEvaluationOptions(command.argument('[file...]', 'Nix files or folders (default.nix if none is given), or a flake (.#hello); - reads standard input'))
    .option('--read-only', 'write no derivations and no sources')
}

async function run(work: EvaluateOptions['work'], files: readonly string[], options: HereOptions, more: Partial<EvaluateOptions>): Promise<void> {
  const { settings } = loadForCommand(options)
  if (options.expr !== undefined && files.length > 0) throw new FirnError('invalid-input', `give either a file or -E, not both ('${files[0]}')`)
  const system = options.system ?? settings.evaluator.system
  const flake = options.expr === undefined && files.length === 1 && isFlakeArgument(files[0]!) ? readFlakeArgument(files[0]!) : undefined
  const inputs: Input[] = flake !== undefined
    ? [{ kind: 'flake', reference: flake.reference, prefixes: work === 'jobs' ? [] : packagePrefixes(system) }]
    : options.expr !== undefined
    ? [{ kind: 'expression', text: options.expr }]
    : (files.length === 0 ? ['./default.nix'] : files).map((file) => (file === '-' ? { kind: 'standard-input' } : { kind: 'file', path: file }))
  const base = defaultSettings()
  const code = await evaluateInProcess({
    work, inputs,
    attributes: [...(options.attr ?? []), ...(flake === undefined || (work === 'jobs' && flake.attribute === '') ? [] : [flake.attribute === '' ? 'default' : flake.attribute])],
    arguments: options.arg ?? {},
    format: 'plain',
    strict: options.strict ?? false,
    locations: true,
    readOnly: options.readOnly ?? false,
    home: settings.home,
    settings: {
      ...base,
      currentSystem: system,
      mode: options.pure || (flake !== undefined && !options.impure) ? 'pure' : options.restrict ? 'restricted' : 'impure',
      searchPath: [...(options.include ?? []).map(parseSearchPathEntry), ...base.searchPath],
      allowImportFromDerivation: options.importFromDerivation,
      showTrace: options.showTrace ?? false,
    },
    language: DEFAULT_LANGUAGE,
    jobs: DEFAULT_JOBS,
    ...more,
  })
  if (code !== 0) throw new ExitSilently(code)
}
