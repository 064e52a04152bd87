/**
 * Ring: eval. Hydra's aggregates whose constituents are named: once all jobs are known, names and patterns are looked up and the aggregate's
 * derivation gets those jobs' derivations as inputs. Upstream counterpart: src/constituents.cc of nix-eval-jobs.
 */
import type { FoundJob } from '../../contract/evaluations.ts'
import { completeDerivation } from '../../nix/derivation-completion.ts'
import type { DerivationOutput } from '../../nix/derivation.ts'
import { printable } from '../../nix/derivation-printer.ts'
import type { Evaluator } from '../evaluator.ts'

/** What an aggregate says of its parts. */
export interface Constituents {
  /** Derivations, by path. */
  readonly drvPaths: readonly string[]
  /** Names of jobs, or patterns of such. */
  readonly names: readonly string[]
  /** Whether names are patterns (`tests.*`). */
  readonly areGlobs: boolean
}

export interface Aggregate {
  readonly job: FoundJob
  readonly constituents: Constituents
}

export type ResolvedAggregate = { readonly kind: 'job'; readonly job: FoundJob } | { readonly kind: 'error'; readonly attr: string; readonly attrPath: readonly string[]; readonly message: string }

/** `drvPaths` has the jobs that aren't waiting for others, by name. Aggregates may be parts of others, in no order. */
export function resolveAggregates(evaluator: Evaluator, aggregates: readonly Aggregate[], drvPaths: ReadonlyMap<string, string>): ResolvedAggregate[] {
  return new Resolver(evaluator, aggregates, drvPaths).all()
}

class Resolver {
  private readonly evaluator: Evaluator
  private readonly aggregates: ReadonlyMap<string, Aggregate>
  private readonly known: ReadonlyMap<string, string>
  private readonly done = new Map<string, ResolvedAggregate>()

  constructor(evaluator: Evaluator, aggregates: readonly Aggregate[], drvPaths: ReadonlyMap<string, string>) {
    this.evaluator = evaluator
    this.aggregates = new Map(aggregates.map((aggregate) => [aggregate.job.attr, aggregate]))
    this.known = drvPaths
  }

  all(): ResolvedAggregate[] {
    return [...this.aggregates.values()].map((aggregate) => this.resolve(aggregate, []))
  }

  private resolve(aggregate: Aggregate, above: readonly string[]): ResolvedAggregate {
    const { attr, attrPath } = aggregate.job
    const before = this.done.get(attr)
    if (before !== undefined) return before
    const problems: string[] = []
    const parts = new Set<string>()
    for (const name of aggregate.constituents.names) {
      const matches = this.matching(name, aggregate.constituents.areGlobs, attr)
      if (matches.length === 0) problems.push(aggregate.constituents.areGlobs ? `${name}: constituent glob pattern had no matches` : `${name}: does not exist`)
      for (const match of matches) {
        const found = this.drvPathOf(match, [...above, attr])
        if (typeof found === 'string') parts.add(found)
        else problems.push(found.problem)
      }
    }
    const resolved: ResolvedAggregate = problems.length > 0 ? { kind: 'error', attr, attrPath, message: `error: ${problems.join('\n')}` } : { kind: 'job', job: this.rewritten(aggregate, [...parts]) }
    this.done.set(attr, resolved)
    return resolved
  }

  private matching(name: string, isGlob: boolean, self: string): string[] {
    const exists = (attr: string): boolean => this.known.has(attr) || this.aggregates.has(attr)
    if (!isGlob) return exists(name) ? [name] : []
    const pattern = globPattern(name)
    return [...this.known.keys(), ...this.aggregates.keys()].filter((attr) => attr !== self && pattern.test(attr)).sort()
  }

  private drvPathOf(attr: string, above: readonly string[]): string | { readonly problem: string } {
    const known = this.known.get(attr)
    if (known !== undefined) return known
    if (above.includes(attr)) return { problem: `Dependency cycle: ${above.at(-1)!} <-> ${attr}` }
    const resolved = this.resolve(this.aggregates.get(attr)!, above)
    return resolved.kind === 'job' ? resolved.job.drvPath : { problem: `${attr}: ${resolved.message.replace(/^error: /, '')}` }
  }

  /** The aggregate with further inputs: another derivation, with another output path. */
  private rewritten({ job, constituents }: Aggregate, parts: readonly string[]): FoundJob {
    const { evaluator } = this
    const derivation = evaluator.readDerivation(job.drvPath)
    const inputDerivations = new Map(derivation.inputDerivations)
    for (const path of parts) inputDerivations.set(path, [evaluator.derivationHashOf(path).outputs[0]!])
    const isAddressed = [...derivation.outputs.values()].every(({ kind }) => kind === 'input-addressed' || kind === 'deferred')
    const outputs: ReadonlyMap<string, DerivationOutput> = isAddressed ? new Map([...derivation.outputs.keys()].map((name) => [name, { kind: 'deferred' }])) : derivation.outputs
    const env = isAddressed ? new Map([...derivation.env].map(([name, value]) => [name, outputs.has(name) ? '' : value])) : derivation.env
    const completed = completeDerivation(printable({ ...derivation, inputDerivations, outputs, env }), evaluator.derivationHashOf)
    const { drvPath, outputs: { keys: names, values } } = completed
    evaluator.addDerivation(completed)
    return {
      ...job, drvPath,
      outputs: Object.fromEntries(values.map((output, i) => [names[i]!, 'path' in output ? output.path : null])),
      inputDrvs: Object.fromEntries(inputDerivations),
      constituents: [...new Set([...constituents.drvPaths, ...parts])],
    }
  }
}

/** A shell pattern, as fnmatch takes it: `*` and `?` match any character. */
export function globPattern(glob: string): RegExp {
  let source = ''
  for (let i = 0; i < glob.length; i++) {
    const char = glob[i]!
    const close = char === '[' ? glob.indexOf(']', i + 2) : -1
    if (char === '*') source += '.*'
    else if (char === '?') source += '.'
    else if (close > 0) {
      const inner = glob.slice(i + 1, close)
      source += `[${inner.startsWith('!') || inner.startsWith('^') ? '^' : ''}${inner.replace(/^[!^]/, '').replace(/[\\\]^]/g, '\\$&')}]`
      i = close
    } else if (char === '\\' && i + 1 < glob.length) source += glob[++i]!.replace(/[^\w]/g, '\\$&')
    else source += char.replace(/[^\w]/g, '\\$&')
  }
  return new RegExp(`^(?:${source})$`, 's')
}

