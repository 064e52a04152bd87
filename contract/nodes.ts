/**
 * Ring: contract. Nodes of the build graph and what becomes of them.
 *
 * A node's key is what it produces: the base name of the store path of its first output (by output name), for
 * example `k4l…-hello-2.12`. Two derivations that differ only in a mirror's address have the same output path, and so
 * are the same node. A floating content-addressed derivation, whose outputs aren't known before its inputs are,
 * has the key `ca-<hash of the resolved derivation>-<name>`.
 */
import type { ErrorKind } from './errors.ts'

export type NodeKey = string

/** Why a node's outputs are not there. All of these are results: they are recorded, shown, and cached until a retry. */
export type FailureCause =
  /** The builder ended with a non-zero code, or by a signal. */
  | { readonly kind: 'builder-failed'; readonly exitCode?: number; readonly signal?: string }
  /** The builder ended well, but these outputs are missing. */
  | { readonly kind: 'output-missing'; readonly outputs: readonly string[] }
  /** An output breaks a rule: forbidden reference, cycle, size, file kind, permissions. */
  | { readonly kind: 'output-rejected'; readonly output: string; readonly reason: string }
  /** A fixed output's hash differs. `expected` and `got` are SRI strings. */
  | { readonly kind: 'hash-mismatch'; readonly path: string; readonly expected: string; readonly got: string }
  /** No address of a download answered; not cached: the next demand tries again. */
  | { readonly kind: 'unreachable'; readonly urls: readonly string[]; readonly reason: string }
  | { readonly kind: 'timed-out'; readonly seconds: number; readonly silent: boolean }
  | { readonly kind: 'log-limit'; readonly bytes: number }
  /** No worker that serves this system and these features took the node within the limit. */
  | { readonly kind: 'no-worker'; readonly system: string; readonly features: readonly string[]; readonly seconds: number }
  /** An input failed. Derived from the graph, never cached; `node` is the input at fault, not one in between. */
  | { readonly kind: 'dependency-failed'; readonly node: NodeKey; readonly buildId: number; readonly name: string; readonly cause: FailureCause }
  | { readonly kind: 'invalid-derivation'; readonly reason: string }
  /** The machinery gave up after many tries on any worker, or met something that trying again can't mend. Not cached: no result of the build. */
  | { readonly kind: 'fault'; readonly error: ErrorKind; readonly message: string }
  | { readonly kind: 'cancelled'; readonly reason: string }

/** What a run of a node's workflow ends with. */
export type NodeOutcome =
  | { readonly status: 'succeeded'; readonly how: 'valid' | 'built' | 'fetched' | 'substituted' }
  | { readonly status: 'failed'; readonly cause: FailureCause; readonly cached: boolean; readonly logTail?: readonly string[] }

/** Whether a failure is remembered and answered at once until somebody retries. */
export function isCached(cause: FailureCause): boolean {
  return CACHED[cause.kind]
}

const CACHED: Record<FailureCause['kind'], boolean> = {
  'builder-failed': true,
  'output-missing': true,
  'output-rejected': true,
  'hash-mismatch': true,
  'unreachable': false,
  'timed-out': true,
  'log-limit': true,
  'no-worker': false,
  'dependency-failed': false,
  'invalid-derivation': true,
  'fault': false,
  'cancelled': false,
}

/** One line for a terminal or a table: what went wrong. */
export function describeCause(cause: FailureCause): string {
  switch (cause.kind) {
    case 'builder-failed': return cause.signal ? `builder was killed by ${cause.signal}` : `builder failed with exit code ${cause.exitCode}`
    case 'output-missing': return `builder ended well but did not write ${cause.outputs.map((name) => `'${name}'`).join(', ')}`
    case 'output-rejected': return `output '${cause.output}' was rejected: ${cause.reason}`
    case 'hash-mismatch': return `hash mismatch in ${cause.path}: specified ${cause.expected}, got ${cause.got}`
    case 'unreachable': return `download failed: ${cause.reason} (tried ${cause.urls.join(', ')})`
    case 'timed-out': return cause.silent ? `no output for ${cause.seconds} s` : `timed out after ${cause.seconds} s`
    case 'log-limit': return `log grew over ${cause.bytes} bytes`
    case 'no-worker': return `no worker for system '${cause.system}'${cause.features.length > 0 ? ` with features ${cause.features.join(', ')}` : ''} took it within ${cause.seconds} s`
    case 'dependency-failed': return `dependency ${cause.name} (build ${cause.buildId}) failed: ${describeCause(cause.cause)}`
    case 'invalid-derivation': return `invalid derivation: ${cause.reason}`
    case 'fault': return `the farm failed to run it (${cause.error}): ${cause.message}`
    case 'cancelled': return `cancelled: ${cause.reason}`
  }
}
