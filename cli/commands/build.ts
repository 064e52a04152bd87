/** Ring: cli. `firn build`: gives an expression to the farm, watches it, and brings the result here. */
import type { Command } from 'commander'
import { existsSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { parse as parsePath } from 'node:path'
import colors from 'picocolors'
import type { Evaluation, Job } from '../../contract/api.ts'
import { FirnError } from '../../contract/errors.ts'
import { describeCause } from '../../contract/nodes.ts'
import { addEvaluationOptions, type EvaluationOptions, evaluationSettings, localSource, type SubmittedSource } from '../arguments.ts'
import type { FarmClient } from '../client.ts'
import { packagePrefixes } from '../flake-argument.ts'
import { currentSystem } from '../../config/machine.ts'
import { findFarm, type GlobalOptions, loadForCommand } from '../context.ts'
import { followEvaluation, type Followed } from '../live/follow.ts'
import { ExitSilently, formatBytes, formatSeconds, printJson } from '../output.ts'
import { traced } from '../tracing.ts'

interface BuildOptions extends EvaluationOptions, GlobalOptions {
  readonly recurse?: boolean
  readonly dryRun?: boolean
  readonly outLink?: string
  readonly into?: string
  readonly source?: string
  readonly priority?: string
  readonly follow: boolean
  readonly plain?: boolean
  readonly quiet?: boolean
}

export function buildCommand(command: Command): Command {
  addEvaluationOptions(command
    .description('Evaluate an expression on the farm and build what it describes.')
    .argument('[file...]', 'Nix file or folder (default.nix if none is given), a flake (.#hello), or .drv files'))
    .option('-r, --recurse', 'walk into attribute sets and build every derivation, as a jobset does')
    .option('--dry-run', 'find out what would be built, and build only what evaluation itself needs')
    .option('-o, --out-link <link>', 'bring the result to this machine and make a symbolic link to it (LINK-2, … for further ones)')
    .option('--into <folder>', 'where the result is brought to; /nix/store makes its programs run in place (default: FIRN_HOME/store)')
    .option('--source <folder>', 'what to upload to a farm on another machine (default: the folder of the file)')
    .option('--priority <1-5>', '1 goes first')
    .option('--no-follow', 'submit, print the evaluation\'s number, and return')
    .option('--plain', 'lines instead of a live view')
    .option('-q, --quiet', 'print nothing but the result')
    .addHelpText('after', `
Prints the output paths, one a line, and exits with 0 if everything was built. What failed is shown with its
cause, the last lines of its log, and how to see more. Ctrl-C cancels the evaluation; what other evaluations want
goes on, and what was built stays built.

Examples:
  firn build -A hello                         attribute hello of ./default.nix
  firn build .#hello                          package hello of the flake in this folder
  firn build release.nix -r                   every job of a release file
  firn build -E 'import ./. { debug = true; }' -A tests.zlib
  firn build -A hello -o result               … and a link ./result to a copy in FIRN_HOME/store
  firn build big.nix -r --no-follow           submit; look later with: firn status NUMBER`)
    .action(async (files: string[], options: BuildOptions) => {
      const title = titleOf(files, options)
      await traced(`firn build ${title}`, loadForCommand(options).settings, async () => {
        const client = await findFarm(options)
        const submitted = await submit(client, files, options)
        if (options.follow) await watch(client, submitted, title, options)
        else if (options.json) printJson(submitted)
        else process.stdout.write(`${submitted.id}\n`)
      })
    })
  return command
}

async function submit(client: FarmClient, files: readonly string[], options: BuildOptions): Promise<Evaluation> {
  const source = await submittedSource(client, files, options)
  const named = localSource(files, options)
  const settings = evaluationSettings(options, client.farm.local)
  const priority = options.priority === undefined ? undefined : Number(options.priority)
  if (priority !== undefined && ![1, 2, 3, 4, 5].includes(priority)) throw new FirnError('invalid-input', '--priority takes a number from 1 to 5')
  return await client.call('submitEvaluation', {
    headers: {},
    body: {
      source,
      attributes: [...(options.attr ?? []), ...(named.kind === 'flake' ? [named.attribute === '' ? 'default' : named.attribute] : [])],
      arguments: options.arg ?? {},
      recurse: options.recurse ?? false,
      // flakes are evaluated purely, as nix build does
      settings: source.kind === 'flake' && options.impure !== true ? { ...settings, mode: 'pure' } : settings,
      dryRun: options.dryRun ?? false,
      ...(priority === undefined ? {} : { priority }),
    },
  })
}

/** A farm on this machine reads the files where they are; to others the folder is uploaded. */
async function submittedSource(client: FarmClient, files: readonly string[], options: BuildOptions): Promise<SubmittedSource> {
  const source = localSource(files, options)
  switch (source.kind) {
    case 'derivations': return { kind: 'derivations', drvPaths: source.drvPaths.map((path) => (path.startsWith('/') ? path : resolve(path))) }
    case 'expression': return { kind: 'expression', text: source.text, basePath: client.farm.local ? process.cwd() : '/' }
    case 'flake': {
      if (!client.farm.local && /^(?:path:|git\+file:)/.test(source.reference)) throw new FirnError('invalid-input', `the farm is on another machine and can't read ${source.reference}; push the flake somewhere and name its address`)
      return { kind: 'flake', reference: source.reference, prefixes: packagePrefixes(options.system ?? currentSystem()) }
    }
    case 'file': {
      if (client.farm.local) return { kind: 'file', path: source.path }
      const folder = resolve(options.source ?? (source.isFolder ? source.path : dirname(source.path)))
      const file = relative(folder, source.path)
      if (file.startsWith('..')) throw new FirnError('invalid-input', `${source.path} is not below --source ${folder}`)
      if (!existsSync(folder) || !statSync(folder).isDirectory()) throw new FirnError('not-found', `--source ${folder} is no folder`)
      if (folder === parsePath(folder).root) throw new FirnError('invalid-input', 'the whole file system would be uploaded; name a folder with --source')
      const { uploadSource } = await import('../upload.ts')
      return { kind: 'store', storePath: await uploadSource(client, folder, 'source'), file }
    }
  }
}

function titleOf(files: readonly string[], options: BuildOptions): string {
  const what = options.expr === undefined ? basename(files[0] ?? 'default.nix') : 'expression'
  return options.attr?.length ? `${what} ${options.attr.join(' ')}` : what
}

async function watch(client: FarmClient, { id }: Evaluation, title: string, options: BuildOptions): Promise<void> {
  const show = options.json || options.quiet ? 'none' : process.stderr.isTTY && !options.plain ? 'terminal' : 'plain'
  const followed = await cancelledBy(client, id, (signal) => followEvaluation(client, id, { title: `evaluation ${id} · ${title}`, show, signal }))
  const { evaluation } = followed
  const jobs = await client.all<'listJobs', Job>('listJobs', { params: { id } })
  if (options.json) printJson({ evaluation, jobs })
  else reportFailures(evaluation, jobs)

  const outputs = [...new Set(jobs.filter((job) => job.state === 'succeeded').flatMap((job) => Object.values(job.outputs ?? {}).filter((path) => path !== null)))]
  if (!options.json && !options.dryRun) for (const path of outputs) process.stdout.write(`${path}\n`)
  if (!options.json && options.dryRun) for (const job of jobs) if (job.drvPath !== null) process.stdout.write(`${job.drvPath}\n`)
  if (options.outLink !== undefined && !options.dryRun) await bringHere(client, jobs, options.outLink, options)
  if (show !== 'none') reportSummary(followed, jobs)
  if (evaluation.state !== 'succeeded' || jobs.some((job) => job.state === 'error' || job.state === 'failed')) throw new ExitSilently(evaluation.state === 'cancelled' ? 130 : 1)
}

/** Runs with Ctrl-C meaning: cancel the evaluation on the farm. A second Ctrl-C leaves at once. */
export async function cancelledBy<T>(client: FarmClient, id: number, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interrupted = new AbortController()
  const onSignal = (): void => {
    if (interrupted.signal.aborted) process.exit(130)
    interrupted.abort(new FirnError('cancelled', `interrupted; evaluation ${id} was cancelled`))
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  try {
    return await run(interrupted.signal)
  } catch (error) {
    if (!interrupted.signal.aborted) throw error
    await client.call('cancelEvaluation', { params: { id } }).catch((problem: unknown) => {
      if (!(problem instanceof FirnError && problem.kind === 'conflict')) throw problem
    })
    throw interrupted.signal.reason
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
}

/** Each build at fault once, with whatever failed because of it; evaluation errors with their place. */
export function reportFailures(evaluation: Evaluation, jobs: readonly Job[]): void {
  if (evaluation.error !== null) console.error(`\n${colors.red('✗')} ${colors.bold('the evaluation failed')}: ${evaluation.error}`)
  for (const job of jobs.filter((one) => one.state === 'error')) {
    const place = job.position ? `\n  at ${job.position.file}:${job.position.line}:${job.position.column}` : ''
    console.error(`\n${colors.red('✗')} ${colors.bold(job.attr === '' ? 'the expression' : job.attr)} could not be evaluated: ${job.error ?? ''}${job.error?.includes(`:${job.position?.line}:`) ? '' : place}`)
  }
  const faults = new Map<number, { job: Job, attrs: string[] }>()
  for (const job of jobs) {
    if (job.state !== 'failed' || !job.fault) continue
    const known = faults.get(job.fault.buildId)
    if (known) known.attrs.push(job.attr)
    else faults.set(job.fault.buildId, { job, attrs: [job.attr] })
  }
  for (const [buildId, { job, attrs }] of faults) {
    const fault = job.fault!
    console.error(`\n${colors.red('✗')} ${colors.bold(fault.name)} failed: ${describeCause(fault.cause)}`)
    if (fault.logTail.length > 0) for (const line of fault.logTail) console.error(`  ${colors.dim('│')} ${line}`)
    const named = attrs.filter((attr) => attr !== '')
    if (named.length > 0) console.error(colors.dim(`  needed by ${named.slice(0, 8).join(', ')}${named.length > 8 ? ` and ${named.length - 8} more` : ''}`))
    console.error(colors.dim(`  whole log: firn log ${buildId}    try again: firn retry ${buildId}`))
  }
}

export function reportSummary({ evaluation, model }: Followed, jobs: readonly Job[]): void {
  const { ended } = model
  const seconds = evaluation.endedAt === null ? 0 : (Date.parse(evaluation.endedAt) - Date.parse(evaluation.createdAt)) / 1000
  const failed = jobs.filter((job) => job.state === 'error' || job.state === 'failed').length
  const work = [
    ended.built > 0 ? `${ended.built} built` : '',
    ended.fetched > 0 ? `${ended.fetched} fetched` : '',
    ended.substituted > 0 ? `${ended.substituted} substituted` : '',
  ].filter((text) => text !== '')
  const moved = model.fetchedBytes + model.uploadedBytes > 0 ? `, ${formatBytes(model.fetchedBytes)} fetched, ${formatBytes(model.uploadedBytes)} uploaded` : ''
  console.error(`\n${failed === 0 && evaluation.state === 'succeeded' ? colors.green('✓') : colors.red('✗')} evaluation ${evaluation.id} ${evaluation.state} in ${formatSeconds(seconds)}: ${jobs.length - failed} of ${jobs.length} jobs; ${work.length > 0 ? work.join(', ') + moved : 'everything was there already'}`)
}

async function bringHere(client: FarmClient, jobs: readonly Job[], link: string, options: BuildOptions): Promise<void> {
  const { materialise, replaceLink } = await import('../materialise.ts')
  const folder = resolve(options.into ?? join(loadForCommand(options).settings.home, 'store'))
  let number = 0
  for (const job of jobs.filter((one) => one.state === 'succeeded')) {
    number++
    for (const [output, path] of Object.entries(job.outputs ?? {})) {
      if (path === null) continue
      await materialise(client, [path], folder)
      await replaceLink(`${link}${number === 1 ? '' : `-${number}`}${output === 'out' ? '' : `-${output}`}`, join(folder, basename(path)))
    }
  }
}
