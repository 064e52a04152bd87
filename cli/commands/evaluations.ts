/** Ring: cli. `firn evaluations`, `firn builds`, `firn status`: what the farm does and did. */
import type { Command } from 'commander'
import colors from 'picocolors'
import type { Build, BuildDetail, Evaluation, Job } from '../../contract/api.ts'
import { describeCause } from '../../contract/nodes.ts'
import type { FarmClient } from '../client.ts'
import { findFarm, type GlobalOptions } from '../context.ts'
import { formatBytes, formatSeconds, parseId, printJson, printTable, secondsBetween, stateColor } from '../output.ts'

interface ListOptions extends GlobalOptions {
  readonly state?: string
  readonly limit: string
  readonly evaluation?: string
  readonly name?: string
}

export function evaluationsCommand(command: Command): Command {
  return command
    .description('List evaluations, newest first.')
    .option('--state <state>', 'queued, evaluating, waiting, building, succeeded, failed or cancelled')
    .option('-n, --limit <number>', 'how many', '20')
    .action(async (options: ListOptions) => {
      const client = await findFarm(options)
      const query = options.state === undefined ? {} : { state: options.state as Evaluation['state'] }
      const items = await client.all<'listEvaluations', Evaluation>('listEvaluations', { query }, parseId(options.limit, 'lines'))
      if (options.json) return printJson(items)
      printTable(['ID', 'STATE', 'JOBS', 'FAILED', 'TIME', 'WHAT'], items.map((one) => [
        one.id, stateColor(one.state), one.jobs.total, one.jobs.failed + one.jobs.errors || '',
        formatSeconds(secondsBetween(one.createdAt, one.endedAt) ?? 0), whatIsEvaluated(one),
      ]), { right: [0, 2, 3] })
    })
}

export function buildsCommand(command: Command): Command {
  return command
    .description('List builds, newest first.')
    .option('--state <state>', 'waiting, queued, running, succeeded or failed')
    .option('--evaluation <number>', 'those that an evaluation wants')
    .option('--name <name>', 'those of this name')
    .option('-n, --limit <number>', 'how many', '20')
    .action(async (options: ListOptions) => {
      const client = await findFarm(options)
      const items = await client.all<'listBuilds', Build>('listBuilds', {
        query: {
          ...(options.state === undefined ? {} : { state: options.state as Build['state'] }),
          ...(options.name === undefined ? {} : { name: options.name }),
          ...(options.evaluation === undefined ? {} : { evaluation: parseId(options.evaluation, 'an evaluation') }),
        },
      }, parseId(options.limit, 'lines'))
      if (options.json) return printJson(items)
      printBuilds(items)
    })
}

export function statusCommand(command: Command): Command {
  return command
    .description('Show the farm at a glance, or one evaluation.')
    .argument('[evaluation]', 'number of an evaluation')
    .addHelpText('after', `
Examples:
  firn status          workers, evaluations, what runs and what waits for what
  firn status 12       jobs of evaluation 12`)
    .action(async (evaluation: string | undefined, options: GlobalOptions) => {
      const client = await findFarm(options)
      if (evaluation === undefined) await showFarm(client, options)
      else await showEvaluation(client, parseId(evaluation, 'an evaluation'), options)
    })
}

async function showFarm(client: FarmClient, options: GlobalOptions): Promise<void> {
  const [status, { items: workers }, { items: queue }] = await Promise.all([
    client.call('getStatus', {}), client.call('listWorkers', {}), client.call('listQueue', { query: { limit: 20 } }),
  ])
  if (options.json) return printJson({ url: client.farm.url, ...status, workerList: workers, queue })
  const line = (name: string, value: string): void => void process.stdout.write(`${colors.bold(name.padEnd(12))}${value}\n`)
  line('farm', `${client.farm.url}  (Firn ${status.version}, up since ${status.startedAt})`)
  line('public key', status.publicKey)
  line('store', `${status.store.paths} paths, ${formatBytes(status.store.narBytes)}`)
  line('workers', `${status.workers.live} live, ${status.workers.slots} slots, for ${status.workers.systems.join(', ') || 'no system'}`)
  line('evaluations', Object.entries(status.evaluations).filter(([, number]) => number > 0).map(([state, number]) => `${number} ${state}`).join(', ') || 'none')
  line('builds', Object.entries(status.builds).filter(([, number]) => number > 0).map(([state, number]) => `${number} ${state}`).join(', ') || 'none')
  const running = workers.flatMap((worker) => worker.running.map((one) => [one.buildId, one.name, one.step, formatSeconds(secondsBetween(one.startedAt, null) ?? 0), worker.host]))
  if (running.length > 0) {
    process.stdout.write('\n')
    printTable(['BUILD', 'NAME', 'STEP', 'SINCE', 'WORKER'], running, { right: [0] })
  }
  if (queue.length > 0) {
    process.stdout.write('\n')
    printTable(['BUILD', 'NAME', 'WAITS BECAUSE'], queue.map((entry) => [entry.build.id, entry.build.name, entry.text]), { right: [0] })
  }
}

async function showEvaluation(client: FarmClient, id: number, options: GlobalOptions): Promise<void> {
  const evaluation = await client.call('getEvaluation', { params: { id } })
  const jobs = await client.all<'listJobs', Job>('listJobs', { params: { id } })
  if (options.json) return printJson({ evaluation, jobs })
  process.stdout.write(`evaluation ${id}  ${whatIsEvaluated(evaluation)}  ${stateColor(evaluation.state)}  ${formatSeconds(secondsBetween(evaluation.createdAt, evaluation.endedAt) ?? 0)}\n`)
  if (evaluation.error !== null) process.stdout.write(`${colors.red('error:')} ${evaluation.error}\n`)
  if (jobs.length === 0) return
  process.stdout.write('\n')
  printTable(['BUILD', 'JOB', 'NAME', 'STATE', 'WHY'], jobs.map((job) => [
    job.buildId ?? '', job.attr, job.name ?? '', stateColor(job.state), job.error?.split('\n')[0] ?? job.fault?.description ?? '',
  ]), { right: [0] })
}

export function printBuilds(items: readonly Build[]): void {
  printTable(['ID', 'NAME', 'SYSTEM', 'STATE', 'TIME', 'HOW'], items.map((one) => [
    one.id, one.name, one.system, stateColor(one.state), timeOf(one),
    one.cause ? describeCause(one.cause).slice(0, 100) : one.state === 'running' ? (one.step ?? '') : (one.how ?? ''),
  ]), { right: [0, 4] })
}

function timeOf(build: Build | BuildDetail): string {
  const seconds = secondsBetween(build.startedAt, build.endedAt)
  return seconds === undefined ? '' : formatSeconds(seconds)
}

function whatIsEvaluated({ request }: Evaluation): string {
  const { source } = request
  const attributes = request.attributes.length > 0 ? ` -A ${request.attributes.join(' -A ')}` : ''
  switch (source.kind) {
    case 'file': return source.path + attributes
    case 'store': return `${source.storePath.slice(44)}/${source.file}${attributes}`
    case 'expression': return `-E '${source.text.replace(/\s+/g, ' ').slice(0, 60)}'${attributes}`
    case 'flake': return `${source.reference}${request.attributes.length > 0 ? `#${request.attributes.join(' ')}` : ''}`
    case 'derivations': return source.drvPaths.map((path) => path.slice(44)).slice(0, 3).join(' ')
  }
}
