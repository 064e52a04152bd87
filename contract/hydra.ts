/**
 * Ring: contract. Hydra's words for Firn's things: numbers of outcomes, jobset definitions as its API and declarative files write them.
 */
import { z } from 'zod'
import { FirnError } from './errors.ts'
import { jobsetDefinition, type JobsetDefinition, type JobsetInput } from './jobsets.ts'
import type { NodeOutcome } from './nodes.ts'

/** Hydra's `buildstatus`; null while a build is not finished. */
export function buildStatus(outcome: NodeOutcome | null, failedWithOutput: boolean, attempts: number): number | null {
  if (outcome === null) return null
  if (outcome.status === 'succeeded') return failedWithOutput ? 6 : 0
  const { cause } = outcome
  switch (cause.kind) {
    // remembered from a run before: Hydra calls that a cached failure, unless it was this build that ran
    case 'builder-failed': case 'output-missing': case 'hash-mismatch': case 'invalid-derivation': return attempts === 0 && outcome.cached ? 8 : 1
    case 'dependency-failed': return 2
    case 'fault': return 3
    case 'cancelled': return 4
    case 'timed-out': return 7
    case 'unreachable': case 'no-worker': return 9
    case 'log-limit': return 10
    case 'output-rejected': return /bytes/.test(cause.reason) ? 11 : 1
  }
}

const flag = z.union([z.boolean(), z.literal(0), z.literal(1), z.literal('0'), z.literal('1'), z.literal('on'), z.literal('true'), z.literal('false')]).transform((value) => value === true || value === 1 || value === '1' || value === 'on' || value === 'true')
const number = z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)])

/** A jobset as Hydra's PUT and its declarative files have it. */
export const hydraJobset = z.object({
  enabled: z.union([number, z.boolean().transform(Number)]).default(1),
  visible: flag.optional(),
  hidden: flag.optional(),
  description: z.string().nullish(),
  type: z.union([number, z.string()]).optional(),
  flake: z.string().nullish(),
  flakeref: z.string().nullish(),
  nixexprinput: z.string().nullish(),
  nixexprpath: z.string().nullish(),
  checkinterval: number.default(0),
  schedulingshares: number.default(100),
  enableemail: flag.default(false),
  enable_dynamic_run_command: flag.optional(),
  emailoverride: z.string().nullish(),
  keepnr: number.default(3),
  inputs: z.record(z.string(), z.object({ type: z.string(), value: z.union([z.string(), z.boolean(), z.number()]), emailresponsible: flag.optional() })).nullish(),
})
export type HydraJobset = z.output<typeof hydraJobset>

/** As a definition of ours. 'invalid-input' for inputs that Firn does not have. */
export function definitionOfHydra(jobset: HydraJobset): JobsetDefinition {
  const flake = jobset.flake ?? jobset.flakeref
  const isFlake = jobset.type === 1 || jobset.type === '1' || jobset.type === 'flake' || (jobset.type === undefined && Boolean(flake))
  const parsed = jobsetDefinition.safeParse({
    description: jobset.description ?? '',
    source: isFlake ? { kind: 'flake', url: flake } : { kind: 'expression', input: jobset.nixexprinput ?? '', file: jobset.nixexprpath ?? '' },
    inputs: Object.fromEntries(Object.entries(jobset.inputs ?? {}).map(([name, { type, value }]) => [name, inputOfHydra(name, type, String(value))])),
    state: (['disabled', 'enabled', 'one-shot', 'enabled'] as const)[jobset.enabled] ?? 'enabled',
    // Hydra's third state: one evaluation at a time
    whenRunning: jobset.enabled === 3 ? 'wait' : 'overlap',
    hidden: jobset.hidden ?? (jobset.visible === undefined ? false : !jobset.visible),
    pollSeconds: jobset.checkinterval,
    shares: Math.max(1, jobset.schedulingshares),
    keep: jobset.keepnr,
    notifications: jobset.enableemail && jobset.emailoverride ? [{ kind: 'email', to: jobset.emailoverride.split(/[\s,]+/).filter((one) => one !== '') }] : [],
  })
  if (!parsed.success) throw new FirnError('invalid-input', parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '))
  return parsed.data
}

/** Hydra writes an input's parts with blanks between: `URL branch deepClone`. */
function inputOfHydra(name: string, type: string, value: string): unknown {
  const [first, second, ...more] = value.trim().split(/\s+/)
  switch (type) {
    case 'git': case 'github': return { kind: 'git', url: first, ...(second === undefined ? {} : /^[0-9a-f]{40}$/.test(second) ? { revision: second } : { ref: second }), submodules: more.includes('submodules') }
    case 'path': return /^https?:/.test(first ?? '') ? { kind: 'tarball', url: first } : { kind: 'path', path: first }
    case 'string': return { kind: 'string', value }
    case 'boolean': return { kind: 'boolean', value: value === 'true' || value === '1' }
    case 'nix': return { kind: 'expression', value }
    case 'build': case 'sysbuild': case 'eval': {
      const [, project, jobset, job] = /^(?:([^:]+):)?([^:]+):?(.*)$/.exec(value) ?? []
      return { kind: 'jobset', project, jobset, ...(job ? { job } : {}) }
    }
    default: throw new FirnError('invalid-input', `input '${name}' is of type '${type}', which Firn does not have`)
  }
}

/** An input in Hydra's words. */
export function hydraInput(input: JobsetInput): { readonly type: string; readonly value: string } {
  switch (input.kind) {
    case 'git': return { type: 'git', value: [input.url, input.revision ?? input.ref, ...(input.submodules ? ['submodules'] : [])].filter((part) => part !== undefined).join(' ') }
    case 'path': return { type: 'path', value: input.path }
    case 'tarball': case 'file': return { type: 'path', value: input.url }
    case 'string': return { type: 'string', value: input.value }
    case 'boolean': return { type: 'boolean', value: String(input.value) }
    case 'number': return { type: 'nix', value: String(input.value) }
    case 'expression': return { type: 'nix', value: input.value }
    case 'jobset': return { type: input.job === undefined ? 'eval' : 'build', value: [input.project, input.jobset, ...(input.job === undefined ? [] : [input.job])].join(':') }
  }
}
