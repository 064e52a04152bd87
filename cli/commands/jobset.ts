/** Ring: cli. `firn project …` and `firn jobset …`: what is evaluated again and again. */
import type { Command } from 'commander'
import { readFileSync } from 'node:fs'
import colors from 'picocolors'
import type { Evaluation } from '../../contract/api.ts'
import type { JobChange } from '../../contract/comparison.ts'
import { FirnError } from '../../contract/errors.ts'
import type { Jobset, JobsetDefinition, JobsetInput, Project } from '../../contract/jobsets.ts'
import type { FarmClient } from '../client.ts'
import { findFarm, type GlobalOptions } from '../context.ts'
import { followEvaluation } from '../live/follow.ts'
import { ExitSilently, formatBytes, formatSeconds, parseId, printJson, printTable, secondsBetween, stateColor } from '../output.ts'

export function projectCommand(command: Command): Command {
  command.description('Projects: what holds jobsets.').addHelpText('after', `
Examples:
  firn project create tools --description "Our tools"
  firn project create nixos --declarative "git https://git.example.org/jobsets.git main" --file jobsets.json`)

  command.command('list', { isDefault: true }).description('List projects.').option('--hidden', 'hidden ones too')
    .action(async (options: GlobalOptions & { readonly hidden?: boolean }) => {
      const items = await (await findFarm(options)).all<'listProjects', Project>('listProjects', { query: { hidden: options.hidden ?? false } })
      if (options.json) return printJson(items)
      printTable(['PROJECT', 'JOBSETS', 'STATE', 'DESCRIPTION'], items.map((one) => [one.name, one.jobsets, one.error ? colors.red('error') : one.enabled ? 'enabled' : 'disabled', one.error?.split('\n')[0] ?? one.description]), { right: [1] })
    })
  command.command('create').description('Make a project, or change what is said of it.').argument('<project>')
    .option('--display-name <text>').option('--description <text>').option('--homepage <url>').option('--disabled', 'evaluate none of its jobsets').option('--hidden', 'don\'t list it')
    .option('--declarative <input>', 'an input whose file lists the jobsets, for example "git URL BRANCH"').option('--file <path>', 'that file', 'jobsets.json')
    .action(async (project: string, options: GlobalOptions & { readonly displayName?: string; readonly description?: string; readonly homepage?: string; readonly disabled?: boolean; readonly hidden?: boolean; readonly declarative?: string; readonly file: string }) => {
      const made = await (await findFarm(options)).call('putProject', { params: { project }, headers: {}, body: {
        ...(options.displayName === undefined ? {} : { displayName: options.displayName }), ...(options.description === undefined ? {} : { description: options.description }),
        ...(options.homepage === undefined ? {} : { homepage: options.homepage }), enabled: !options.disabled, hidden: options.hidden ?? false,
        ...(options.declarative === undefined ? {} : { declarative: { input: parseInput(options.declarative), file: options.file } }),
      } })
      if (options.json) printJson(made)
      else process.stdout.write(`project ${made.name}\n`)
    })
  command.command('delete').description('Delete a project with its jobsets and their evaluations.').argument('<project>')
    .action(async (project: string, options: GlobalOptions) => {
      const gone = await (await findFarm(options)).call('deleteProject', { params: { project } })
      if (options.json) printJson(gone)
      else process.stdout.write(`deleted ${gone.name} with ${gone.jobsets} jobset${gone.jobsets === 1 ? '' : 's'}\n`)
    })
  return command
}

interface CreateOptions extends GlobalOptions {
  readonly definition?: string
  readonly input?: readonly string[]
  readonly expression?: string
  readonly flake?: string
  readonly description?: string
  readonly poll?: string
  readonly cron?: readonly string[]
  readonly whenRunning?: JobsetDefinition['whenRunning']
  readonly shares?: string
  readonly keep?: string
  readonly disabled?: boolean
}

const repeated = (value: string, before: readonly string[] | undefined): string[] => [...(before ?? []), value]

export function jobsetCommand(command: Command): Command {
  command.description('Jobsets: an expression or a flake, its inputs, and when to evaluate it.').addHelpText('after', `
A jobset is written PROJECT/JOBSET. Inputs are NAME=KIND VALUE…, where KIND is git, path, tarball, file, string, boolean, number,
expression, or jobset.

Examples:
  firn jobset create tools/trunk -e src:release.nix -i "src=git https://git.example.org/tools.git main" --poll 300
  firn jobset create tools/flake --flake github:owner/tools --cron "0 3 * * *"
  firn jobset create tools/trunk --definition trunk.json
  firn jobset eval tools/trunk --wait
  firn jobset diff tools/trunk`)

  command.command('list', { isDefault: true }).description('List the jobsets of a project, or of all.').argument('[project]').option('--hidden', 'hidden ones too')
    .action(async (project: string | undefined, options: GlobalOptions & { readonly hidden?: boolean }) => {
      const client = await findFarm(options)
      const query = { hidden: options.hidden ?? false }
      const projects = project === undefined ? (await client.all<'listProjects', Project>('listProjects', { query })).map((one) => one.name) : [project]
      const items = (await Promise.all(projects.map((name) => client.all<'listJobsets', Jobset>('listJobsets', { params: { project: name }, query })))).flat()
      if (options.json) return printJson(items)
      printTable(['JOBSET', 'STATE', 'EVALUATION', 'JOBS', 'FAILED', 'CHECKED'], items.map((one) => [
        `${one.project}/${one.name}`, one.error ? colors.red('error') : one.state, one.latest ? `${one.latest.id} ${stateColor(one.latest.state)}` : '',
        one.latest?.jobs.total ?? '', one.latest ? one.latest.jobs.failed + one.latest.jobs.errors || '' : '', one.checkedAt?.slice(0, 16) ?? 'never',
      ]), { right: [3, 4] })
    })

  command.command('create').description('Make a jobset, or replace its definition.').argument('<jobset>', 'PROJECT/JOBSET')
    .option('--definition <file>', 'the whole definition as JSON; - reads the standard input')
    .option('-e, --expression <input:file>', 'what is evaluated: a file in an input').option('--flake <reference>', 'a flake, in place of an expression')
    .option('-i, --input <name=kind value>', 'an input; may be given several times', repeated)
    .option('--description <text>').option('--poll <seconds>', 'look for changes this often').option('--cron <expression>', 'look for changes at these times (UTC)', repeated)
    .option('--when-running <what>', 'overlap, wait or supersede').option('--shares <number>', 'its part of the farm').option('--keep <number>', 'evaluations that are kept; 0: all').option('--disabled', 'don\'t evaluate it')
    .action(async (text: string, options: CreateOptions) => {
      const params = parseJobset(text)
      const made = await (await findFarm(options)).call('putJobset', { params, headers: {}, body: definitionOf(options) })
      if (options.json) printJson(made)
      else process.stdout.write(`jobset ${made.project}/${made.name}${made.pending > 0 ? ', which is being evaluated' : ''}\n`)
    })

  command.command('show').description('Show a jobset and its evaluations.').argument('<jobset>', 'PROJECT/JOBSET').option('-n, --limit <number>', 'how many evaluations', '10')
    .action(async (text: string, options: GlobalOptions & { readonly limit: string }) => {
      const client = await findFarm(options)
      const params = parseJobset(text)
      const [jobset, evaluations] = await Promise.all([client.call('getJobset', { params }), client.all<'listJobsetEvaluations', Evaluation>('listJobsetEvaluations', { params }, parseId(options.limit, 'lines'))])
      if (options.json) return printJson({ ...jobset, evaluations })
      process.stdout.write(`${colors.bold(`${jobset.project}/${jobset.name}`)}  ${jobset.state}  ${jobset.source.kind === 'flake' ? jobset.source.url : `${jobset.source.input}:${jobset.source.file}`}\n`)
      for (const [name, input] of Object.entries(jobset.inputs)) process.stdout.write(`  ${name} = ${input.kind} ${'url' in input ? `${input.url}${'ref' in input && input.ref ? ` ${input.ref}` : ''}` : 'value' in input ? String(input.value) : 'path' in input ? input.path : `${input.project}/${input.jobset}`}\n`)
      if (jobset.error !== null) process.stdout.write(`${colors.red('error:')} ${jobset.error}\n`)
      process.stdout.write('\n')
      printTable(['EVALUATION', 'STATE', 'JOBS', 'FAILED', 'TIME', 'INPUTS'], evaluations.map((one) => [
        one.id, stateColor(one.state), one.jobs.total, one.jobs.failed + one.jobs.errors || '', formatSeconds(secondsBetween(one.createdAt, one.endedAt) ?? 0),
        (one.jobset!.sameAs === null ? '' : `same as ${one.jobset!.sameAs}  `) + Object.entries(one.jobset!.inputs).flatMap(([name, input]) => (input.revision === undefined ? [] : [`${name} ${input.revision.slice(0, 12)}`])).join(', '),
      ]), { right: [0, 2, 3] })
    })

  command.command('eval').description('Look at the inputs now, and evaluate if something changed.').argument('<jobset>', 'PROJECT/JOBSET')
    .option('--force', 'also where nothing changed').option('--wait', 'watch until it has ended; exits with 0 if it succeeded')
    .action(async (text: string, options: GlobalOptions & { readonly force?: boolean; readonly wait?: boolean }) => {
      const client = await findFarm(options)
      const params = parseJobset(text)
      const before = (await client.call('getJobset', { params })).latest?.id ?? 0
      const triggered = await client.call('evaluateJobset', { params, headers: {}, body: { force: options.force ?? false } })
      if (!options.wait) {
        if (options.json) printJson(triggered)
        else process.stdout.write(`${text} is looked at\n`)
        return
      }
      const jobset = await untilTaken(client, params)
      if (jobset.error !== null) throw new FirnError('conflict', jobset.error)
      if (jobset.latest === null || jobset.latest.id <= before) {
        if (options.json) printJson({ changed: false, evaluation: jobset.latest })
        else process.stdout.write('nothing has changed\n')
        return
      }
      const followed = await followEvaluation(client, jobset.latest.id, { title: text, show: options.json ? 'none' : process.stderr.isTTY ? 'terminal' : 'plain' })
      if (options.json) printJson(followed.evaluation)
      else process.stdout.write(`evaluation ${jobset.latest.id} ${followed.evaluation.state}\n`)
      if (followed.evaluation.state !== 'succeeded') throw new ExitSilently(1)
    })

  command.command('diff').description('What an evaluation changed against the one before, or another.').argument('<evaluation>', 'its number, or PROJECT/JOBSET for the newest').option('--against <number>', 'another evaluation').option('-n, --limit <number>', 'how many jobs', '100')
    .action(async (text: string, options: GlobalOptions & { readonly against?: string; readonly limit: string }) => {
      const client = await findFarm(options)
      await showDifference(client, text, options)
    })

  command.command('delete').description('Delete a jobset with its evaluations.').argument('<jobset>', 'PROJECT/JOBSET')
    .action(async (text: string, options: GlobalOptions) => {
      const gone = await (await findFarm(options)).call('deleteJobset', { params: parseJobset(text) })
      if (options.json) printJson(gone)
      else process.stdout.write(`deleted ${gone.project}/${gone.name}\n`)
    })
  return command
}

async function untilTaken(client: FarmClient, params: { project: string; jobset: string }): Promise<Jobset> {
  for (;;) {
    const jobset = await client.call('getJobset', { params })
    if (jobset.pending === 0) return jobset
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
}

async function showDifference(client: FarmClient, text: string, options: GlobalOptions & { readonly against?: string; readonly limit: string }): Promise<void> {
  const id = /^\d+$/.test(text) ? parseId(text, 'an evaluation') : (await client.call('getJobset', { params: parseJobset(text) })).latest?.id
  if (id === undefined) throw new FirnError('not-found', `${text} has no evaluation yet`)
  const query = options.against === undefined ? {} : { against: parseId(options.against, 'an evaluation') }
  const [comparison, changes] = await Promise.all([
    client.call('compareEvaluation', { params: { id }, query }),
    Promise.all((['newly-failing', 'fixed', 'added', 'removed', 'aborted'] as const).map((change) => client.all<'listChanges', JobChange>('listChanges', { params: { id }, query: { ...query, change } }, parseId(options.limit, 'jobs')))),
  ])
  const items = changes.flat()
  if (options.json) return printJson({ ...comparison, changes: items })
  process.stdout.write(`evaluation ${id} against ${comparison.against ?? 'nothing'}: ${Object.entries(comparison.counts).filter(([, count]) => count > 0).map(([change, count]) => `${count} ${change}`).join(', ') || 'no jobs'}\n`)
  for (const input of comparison.inputs) process.stdout.write(`  ${input.name}: ${input.before ?? 'none'} → ${input.now ?? 'none'}\n`)
  for (const fault of comparison.faults) process.stdout.write(`  ${colors.red('at fault')}: ${fault.name} (build ${fault.buildId}), ${fault.description}: ${fault.jobs} job${fault.jobs === 1 ? '' : 's'}\n`)
  const { before, now } = comparison.closureBytes
  if (before !== now) process.stdout.write(`  closures: ${formatBytes(before)} → ${formatBytes(now)}\n`)
  if (items.length === 0) return
  process.stdout.write('\n')
  printTable(['BUILD', 'JOB', 'CHANGE', 'WHY'], items.map((one) => [one.now?.buildId ?? '', one.attr, one.change, one.reason ?? '']), { right: [0] })
}

export function parseJobset(text: string): { project: string; jobset: string } {
  const [, project, jobset] = /^([^/:]+)[/:]([^/:]+)$/.exec(text) ?? []
  if (project === undefined || jobset === undefined) throw new FirnError('invalid-input', `'${text}' is not a jobset; write PROJECT/JOBSET`)
  return { project, jobset }
}

/** `git URL BRANCH` and the like. */
export function parseInput(text: string): JobsetInput {
  const [kind, first, second] = text.trim().split(/\s+/)
  const rest = text.trim().slice((kind ?? '').length).trim()
  switch (kind) {
    case 'git': return { kind, url: first ?? '', submodules: false, ...(second === undefined ? {} : /^[0-9a-f]{40}$/.test(second) ? { revision: second } : { ref: second }) }
    case 'path': return { kind, path: rest }
    case 'tarball': case 'file': return { kind, url: rest }
    case 'string': case 'expression': return { kind, value: rest }
    case 'boolean': return { kind, value: rest === 'true' }
    case 'number': return { kind, value: Number(rest) }
    case 'jobset': {
      const [, project, jobset, job] = /^([^/:]+)[/:]([^/:]+)(?::(.+))?$/.exec(rest) ?? []
      return { kind, project: project ?? '', jobset: jobset ?? '', ...(job === undefined ? {} : { job }) }
    }
    default: throw new FirnError('invalid-input', `'${text}' is no input; write KIND VALUE, where KIND is git, path, tarball, file, string, boolean, number, expression or jobset`)
  }
}

function definitionOf(options: CreateOptions) {
  if (options.definition !== undefined) {
    try {
      return JSON.parse(readFileSync(options.definition === '-' ? 0 : options.definition, 'utf8')) as { source: JobsetDefinition['source'] }
    } catch (error) {
      throw new FirnError('invalid-input', `'${options.definition}' can't be read as JSON: ${(error as Error).message}`, { cause: error })
    }
  }
  const inputs = Object.fromEntries((options.input ?? []).map((text) => {
    const equals = text.indexOf('=')
    if (equals < 1) throw new FirnError('invalid-input', `'${text}' is no input; write NAME=KIND VALUE`)
    return [text.slice(0, equals), parseInput(text.slice(equals + 1))]
  }))
  const [input, ...file] = (options.expression ?? '').split(':')
  if (options.flake === undefined && !input) throw new FirnError('invalid-input', 'say what is evaluated: --expression INPUT:FILE, --flake REFERENCE or --definition FILE')
  return {
    source: options.flake === undefined ? { kind: 'expression' as const, input: input!, file: file.join(':') } : { kind: 'flake' as const, url: options.flake },
    inputs,
    ...(options.description === undefined ? {} : { description: options.description }),
    ...(options.poll === undefined ? {} : { pollSeconds: parseId(options.poll, 'seconds') }),
    ...(options.cron === undefined ? {} : { schedule: [...options.cron] }),
    ...(options.whenRunning === undefined ? {} : { whenRunning: options.whenRunning }),
    ...(options.shares === undefined ? {} : { shares: parseId(options.shares, 'shares') }),
    ...(options.keep === undefined ? {} : { keep: Number(options.keep) }),
    state: options.disabled ? 'disabled' as const : 'enabled' as const,
  }
}
