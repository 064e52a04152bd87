/**
 * Ring: builder. Whether what a build wrote may become its outputs. Upstream: libstore/build/derivation-check.cc and
 * registerOutputs in libstore/unix/build/derivation-builder.cc. Everything that is found wrong is a result of the build,
 * returned as its cause; nothing here throws for it.
 */
import type { FailureCause } from '../contract/nodes.ts'
import type { Derivation } from '../nix/derivation.ts'
import type { DerivationOptions, OutputChecks, ReferenceSpecifier } from '../nix/derivation-options.ts'
import { formatHash, hashesEqual, type Hash } from '../nix/hash.ts'
import { parseStorePath, type StorePath } from '../nix/store-path.ts'
import type { BuildEnd, BuildResult } from './interface.ts'

/** An output as it would be registered. */
export interface BuiltOutput {
  readonly name: string
  readonly storePath: StorePath
  readonly narSize: number
  /** May hold its own path. */
  readonly references: readonly StorePath[]
  /** Hash by the method of a fixed output; absent for others. */
  readonly hash?: Hash
}

/** What is known of valid paths: for closures. */
export interface ClosurePath {
  readonly storePath: StorePath
  readonly narSize: number
  readonly references: readonly StorePath[]
}

/** All that is reachable from valid paths, themselves included. */
export type ClosureLookup = (storePaths: readonly StorePath[]) => Promise<readonly ClosurePath[]>

/** The cause of a build that did not end well; undefined for exit code 0. */
export function causeOfEnd(end: BuildEnd): FailureCause | undefined {
  switch (end.kind) {
    case 'exited': return end.exitCode === 0 ? undefined : { kind: 'builder-failed', exitCode: end.exitCode, ...(end.signal !== undefined && { signal: end.signal }) }
    case 'timed-out': return { kind: 'timed-out', seconds: end.seconds, silent: end.silent }
    case 'log-limit': return { kind: 'log-limit', bytes: end.bytes }
    case 'cancelled': return { kind: 'cancelled', reason: 'the build was stopped' }
  }
}

/** Outputs that the derivation has and the build did not write. */
export function causeOfMissing(derivation: Derivation, result: Pick<BuildResult, 'outputs'>): FailureCause | undefined {
  const missing = [...derivation.outputs.keys()].filter((name) => !result.outputs.has(name)).sort()
  return missing.length > 0 ? { kind: 'output-missing', outputs: missing } : undefined
}

/**
 * Names of outputs in an order in which each comes after those that it refers to, or two that refer to each other.
 * `references` tells for each output the other outputs it refers to.
 */
export function orderOutputs(references: ReadonlyMap<string, ReadonlySet<string>>): { readonly order: readonly string[] } | { readonly cause: FailureCause } {
  const order: string[] = []
  const done = new Set<string>()
  const entered = new Set<string>()
  const visit = (name: string): FailureCause | undefined => {
    entered.add(name)
    for (const other of [...references.get(name) ?? []].sort()) {
      if (other === name || done.has(other)) continue
      if (entered.has(other)) return { kind: 'output-rejected', output: name, reason: `cycle detected: it refers to output '${other}', which refers back to it` }
      const cause = visit(other)
      if (cause) return cause
    }
    done.add(name)
    order.push(name)
    return undefined
  }
  for (const name of [...references.keys()].sort()) {
    const cause = done.has(name) ? undefined : visit(name)
    if (cause) return { cause }
  }
  return { order }
}

/** Which outputs each output refers to, itself left out. */
export function referencesBetween(outputs: readonly BuiltOutput[]): Map<string, Set<string>> {
  const nameOf = new Map(outputs.map(({ name, storePath }) => [storePath.baseName, name]))
  return new Map(outputs.map((output) => {
    const others = output.references.map(({ baseName }) => nameOf.get(baseName)).filter((name) => name !== undefined && name !== output.name)
    return [output.name, new Set(others as string[])]
  }))
}

/** A fixed output must have its hash, and refer to nothing. */
export function causeOfFixed(derivation: Derivation, output: BuiltOutput): FailureCause | undefined {
  const specified = derivation.outputs.get(output.name)
  if (specified?.kind !== 'fixed' || output.hash === undefined) return undefined
  if (!hashesEqual(specified.hash, output.hash)) return { kind: 'hash-mismatch', path: specified.path, expected: formatHash(specified.hash, 'sri'), got: formatHash(output.hash, 'sri') }
  if (output.references.length === 0 || specified.method === 'text') return undefined
  return rejected(output, `fixed-output derivations must not reference store paths: it references ${output.references.length} distinct paths, e.g. '${output.references[0]!.toString()}'`)
}

/** All checks on outputs that exist. The first broken rule is the cause. */
export async function checkOutputs(derivation: Derivation, checks: DerivationOptions['outputChecks'], outputs: readonly BuiltOutput[], closureOf: ClosureLookup): Promise<FailureCause | undefined> {
  for (const output of outputs) {
    const cause = causeOfFixed(derivation, output)
    if (cause) return cause
  }
  const ordered = orderOutputs(referencesBetween(outputs))
  if ('cause' in ordered) return ordered.cause
  for (const output of outputs) {
    const check = checks.kind === 'all-outputs' ? checks.checks : checks.checks.get(output.name)
    const cause = check && await new OutputChecker(outputs, closureOf).check(output, check)
    if (cause) return cause
  }
  return undefined
}

class OutputChecker {
  readonly #outputs: readonly BuiltOutput[]
  readonly #byPath: ReadonlyMap<string, BuiltOutput>
  readonly #closureOf: ClosureLookup

  constructor(outputs: readonly BuiltOutput[], closureOf: ClosureLookup) {
    this.#outputs = outputs
    this.#byPath = new Map(outputs.map((output) => [output.storePath.baseName, output]))
    this.#closureOf = closureOf
  }

  async check(output: BuiltOutput, check: OutputChecks): Promise<FailureCause | undefined> {
    if (check.maximumSize !== undefined && output.narSize > check.maximumSize) return rejected(output, `it is too large at ${output.narSize} bytes; limit is ${check.maximumSize} bytes`)
    const recursive = check.maximumClosureSize !== undefined || check.allowedRequisites !== undefined || check.disallowedRequisites.length > 0
    const closure = recursive ? await this.#closure(output) : []
    if (check.maximumClosureSize !== undefined) {
      const size = closure.reduce((sum, { narSize }) => sum + narSize, 0)
      if (size > check.maximumClosureSize) return rejected(output, `its closure is too large at ${size} bytes; limit is ${check.maximumClosureSize} bytes`)
    }
    const requisites = closure.map(({ storePath }) => storePath).filter(({ baseName }) => !check.ignoreSelfReferences || baseName !== output.storePath.baseName)
    return this.#checkReferences(output, output.references, check.allowedReferences, true)
      ?? this.#checkReferences(output, requisites, check.allowedRequisites, true)
      ?? this.#checkReferences(output, output.references, check.disallowedReferences, false)
      ?? this.#checkReferences(output, requisites, check.disallowedRequisites, false)
  }

  /** Elements of a list are store paths or names of outputs. No list allows all; an empty one allows nothing. */
  #checkReferences(output: BuiltOutput, used: readonly StorePath[], list: readonly ReferenceSpecifier[] | undefined, allowed: boolean): FailureCause | undefined {
    if (list === undefined || (!allowed && list.length === 0)) return undefined
    const listed = new Set<string>()
    for (const element of list) {
      const path = element.kind === 'path' ? parseStorePath(element.path) : this.#outputs.find(({ name }) => name === element.name)?.storePath
      if (path === undefined) return rejected(output, `an output check contains output name '${element.kind === 'output' ? element.name : element.path}', but this is not a valid output of this derivation (valid outputs are ${this.#outputs.map(({ name }) => name).join(', ')})`)
      listed.add(path.baseName)
    }
    const bad = used.filter(({ baseName }) => listed.has(baseName) !== allowed).map(String).sort()
    return bad.length === 0 ? undefined : rejected(output, `it is not allowed to refer to the following paths: ${bad.join(', ')}`)
  }

  /** The closure of an output; other outputs need not be valid yet. */
  async #closure(output: BuiltOutput): Promise<ClosurePath[]> {
    const found = new Map<string, ClosurePath>()
    const outside = new Map<string, StorePath>()
    const waiting: BuiltOutput[] = [output]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (found.has(next.storePath.baseName)) continue
      found.set(next.storePath.baseName, next)
      for (const reference of next.references) {
        const other = this.#byPath.get(reference.baseName)
        if (other) waiting.push(other)
        else outside.set(reference.baseName, reference)
      }
    }
    for (const path of outside.size > 0 ? await this.#closureOf([...outside.values()]) : []) if (!found.has(path.storePath.baseName)) found.set(path.storePath.baseName, path)
    return [...found.values()]
  }
}

function rejected(output: BuiltOutput, reason: string): FailureCause {
  return { kind: 'output-rejected', output: output.name, reason }
}
