/**
 * Ring: api. What has been built, as a channel: an archive with an expression that gives the jobs' outputs as they lie in this farm's cache, so that
 * `nix-channel` and `nix-env` use them without evaluating anything. Upstream counterpart: Hydra::Base::Controller::NixChannel and its NixExprs view.
 */
import { once } from 'node:events'
import { createGzip } from 'node:zlib'
import { pack } from 'tar-stream'
import { FirnError } from '../../contract/errors.ts'
import { STORE_DIRECTORY } from '../../nix/store-path.ts'
import { jobsetId } from '../../state/jobsets.ts'
import { getEvaluation } from '../../state/evaluations.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { statusOf } from './present.ts'
import { buildsOfEvaluation, buildsOfJob, type HydraBuildRow, latestFinishedEvaluation } from './queries.ts'
import type { HydraAnswer, HydraCall, HydraRoute } from './route.ts'

/** Builds of a job that are looked through for one that succeeded. */
const RECENT = 500
const ARCHIVE = 'nixexprs.tar.gz'

export function channelRoutes({ database: { db }, store, settings }: ApiDependencies): HydraRoute[] {
  const base = ({ exchange: { request } }: HydraCall): string => (settings.api.publicUrl ?? `${request.protocol}://${request.headers.host ?? ''}`).replace(/\/+$/, '')

  /** The same under each of Hydra's three addresses of channels. */
  const at = (path: string, builds: (call: HydraCall) => Promise<readonly HydraBuildRow[]>): HydraRoute[] => [
    { method: 'get', path: `${path}/binary-cache-url`, scope: 'read', handle: (call) => Promise.resolve({ text: base(call) }) },
    {
      method: 'get', path: `${path}/${ARCHIVE}`, scope: 'read',
      async handle(call) {
        const built = (await builds(call)).filter((build) => statusOf(build) === 0)
        if (built.length === 0) throw new FirnError('not-found', 'Nothing of this channel has been built.')
        return await archive(expressionOf(built, base(call), store.publicKey), call)
      },
    },
    // the names that nix-channel asks for; what it gets is told apart by its content
    ...['nixexprs.tar.xz', 'nixexprs.tar.bz2'].map((name): HydraRoute => ({ method: 'get', path: `${path}/${name}`, scope: 'read', handle: () => Promise.resolve({ redirect: ARCHIVE }) })),
  ]

  return [
    ...at('/eval/:id/channel', async (call) => {
      const evaluation = await getEvaluation(db, call.id())
      if (!evaluation || evaluation.jobsetId === null) throw new FirnError('not-found', `Evaluation ${call.id()} doesn't exist.`)
      return await buildsOfEvaluation(db, evaluation.id)
    }),
    ...at('/jobset/:project/:jobset/channel/latest', async (call) => {
      const latest = await latestFinishedEvaluation(db, await jobsetId(db, call.param('project'), call.param('jobset')))
      return latest === undefined ? [] : await buildsOfEvaluation(db, latest)
    }),
    ...at('/job/:project/:jobset/:job/channel/latest', async (call) => {
      const build = (await buildsOfJob(db, await jobsetId(db, call.param('project'), call.param('jobset')), call.param('job'), RECENT)).find((one) => statusOf(one) === 0)
      return build ? [build] : []
    }),
  ]
}

const text = (value: string): string => `"${value.replace(/["\\]|\$(?=\{)/g, '\\$&').replaceAll('\n', '\\n')}"`

/** Sets that look like derivations, of the system that is asked for. */
function expressionOf(builds: readonly HydraBuildRow[], cache: string, publicKey: string | undefined): string {
  const jobs = builds.map(({ job, name, system, outputs, drvPath }) => {
    const paths = Object.entries(outputs).flatMap(([output, path]) => (path === null ? [] : [`${text(output)} = ${text(`${STORE_DIRECTORY}/${path}`)};`]))
    return `    { job = ${text(job)}; name = ${text(name)}; system = ${text(system)}; drvPath = ${text(drvPath ?? '')}; paths = { ${paths.join(' ')} }; }\n`
  })
  return `# What ${cache} has built. Let Nix take it from there: substituters = ${cache}${publicKey === undefined ? '' : `, trusted-public-keys = ${publicKey}`}
{ system ? builtins.currentSystem }:
let
  built = { job, name, system, drvPath, paths }:
    let
      outputs = builtins.attrNames paths;
      of = outputName: common // { inherit outputName; outPath = builtins.storePath (builtins.getAttr outputName paths); };
      common = { inherit name system drvPath outputs; type = "derivation"; meta = { }; all = map of outputs; }
        // builtins.listToAttrs (map (output: { name = output; value = of output; }) outputs);
    in of (if paths ? out then "out" else builtins.head outputs);
  jobs = [
${jobs.join('')}  ];
in builtins.listToAttrs (map (one: { name = one.job; value = built one; }) (builtins.filter (one: one.system == system) jobs))
`
}

async function archive(expression: string, { exchange: { response, signal } }: HydraCall): Promise<HydraAnswer> {
  response.type('application/gzip')
  const tar = pack()
  // the same content gives the same bytes, whenever it is asked for
  tar.entry({ name: 'channel/default.nix', mtime: new Date(0) }, expression)
  tar.finalize()
  tar.pipe(createGzip()).pipe(response)
  await once(response, 'finish', { signal })
  return { sent: true }
}
