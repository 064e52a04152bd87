/**
 * Ring: examples. `npm run demo`: starts a farm on this machine, evaluates and builds the package set of examples/packages while one
 * watches, and ends with what was built. A second run finds everything there.
 *
 *   npm run demo                  some twenty packages: about ten minutes on two cores
 *   npm run demo -- --all         the whole set with its tests: about half an hour
 *   npm run demo -- -A packages.hello …   only these attributes of release.nix
 */
import { parseArgs } from 'node:util'
import { join } from 'node:path'
import colors from 'picocolors'
import type { Build, Job } from '../contract/api.ts'
import { FarmClient } from '../cli/client.ts'
import { cancelledBy, reportFailures, reportSummary } from '../cli/commands/build.ts'
import { detach } from '../cli/commands/farm.ts'
import { loadForCommand } from '../cli/context.ts'
import { followEvaluation } from '../cli/live/follow.ts'
import { formatSeconds, formatTable, reportError, secondsBetween } from '../cli/output.ts'
import { runningFarm } from '../infra/embedded/state.ts'
import { findMirrors } from './tools/mirrors.ts'

/** Programs whose dependencies nobody knows before a lock file has been fetched, unpacked and read. */
const IMPORTED: Readonly<Record<string, string>> = { 'hexyl': 'Cargo.lock', 'ripgrep': 'Cargo.lock', 'js-app': 'package-lock.json' }

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { all: { type: 'boolean' }, attr: { type: 'string', short: 'A', multiple: true }, plain: { type: 'boolean' } } })
  const loaded = loadForCommand({})
  const begun = Date.now()
  const running = runningFarm(loaded.settings.home)
  if (!running) console.error(`starting a farm in ${loaded.settings.home}`)
  // the mirrors are asked for while the farm comes up
  const [state, mirrors] = await Promise.all([running ?? detach(loaded, {}), findMirrors()])
  const url = state.endpoints.api!
  console.error(`the farm is up at ${colors.bold(url)}${running ? '' : ` after ${formatSeconds((Date.now() - begun) / 1000)}`}\n`)

  const client = new FarmClient({ url, local: true })
  const file = join(import.meta.dirname, 'packages', values.all || values.attr ? 'release.nix' : 'demo.nix')
  const { id } = await client.call('submitEvaluation', {
    headers: {},
    body: {
      source: { kind: 'file', path: file },
      attributes: values.attr ?? [],
      arguments: Object.fromEntries(Object.entries(mirrors).map(([name, value]: [string, string]) => [name, { kind: 'string' as const, value }])),
      recurse: true,
      settings: {},
    },
  })
  const show = process.stderr.isTTY && !values.plain ? 'terminal' : 'plain'
  const followed = await cancelledBy(client, id, (signal) => followEvaluation(client, id, { title: `evaluation ${id} · the package set`, show, signal }))
  const jobs = await client.all<'listJobs', Job>('listJobs', { params: { id } })
  const builds = new Map((await client.all<'listBuilds', Build>('listBuilds', { query: { evaluation: id } })).map((build) => [build.id, build]))
  reportFailures(followed.evaluation, jobs)

  const since = Date.parse(followed.evaluation.createdAt)
  const rows = jobs.filter((job) => job.state === 'succeeded').map((job) => {
    const build = builds.get(job.buildId ?? 0)
    const name = job.attrPath.at(-1) ?? job.attr
    const before = typeof build?.endedAt === 'string' && Date.parse(build.endedAt) < since
    const seconds = build ? secondsBetween(build.startedAt, build.endedAt) : undefined
    return [job.attr, job.name ?? '', before ? colors.dim('was there') : (build?.how ?? 'valid'), seconds === undefined || before ? '' : formatSeconds(seconds), IMPORTED[name] && job.attrPath[0] !== 'tests' ? `dependencies imported from its ${IMPORTED[name]}` : '']
  })
  process.stdout.write(`\n${formatTable(['JOB', 'NAME', 'HOW', 'TIME', ''], rows, { right: [3] })}\n`)
  reportSummary(followed, jobs)
  process.stdout.write(`
${rows.length} jobs are in the farm's store. The farm goes on running at ${colors.bold(url)}
  bin/firn status              what it does
  bin/firn builds              what it built
  bin/firn log hello           a log
  bin/firn down                stop it; what was built stays
`)
  if (followed.evaluation.state !== 'succeeded' || rows.length < jobs.length) process.exitCode = 1
}

try {
  await main()
} catch (error) {
  reportError(error, false)
}
