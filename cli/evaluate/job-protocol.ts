/** Ring: cli. What job-pool.ts and the processes that it starts (job-process.ts) say to each other, as lines of JSON. */
import type { JobPlace } from '../../contract/evaluations.ts'

export type ToJobProcess =
  | { readonly kind: 'take'; readonly input: number; readonly place: JobPlace }
  /** All jobs are known, by name: these aggregates can be completed. */
  | { readonly kind: 'conclude'; readonly input: number; readonly aggregates: readonly JobPlace[]; readonly drvPaths: readonly (readonly [string, string])[] }

/**
 * The answer to each task, in order. All that a task gave is in one message, so that a process that dies has given all of it or nothing.
 */
export interface JobResult {
  /** Byte strings, to be printed. */
  readonly lines: readonly string[]
  readonly drvPaths: readonly (readonly [string, string])[]
  readonly failed: boolean
  readonly fatal?: string
  readonly children: readonly JobPlace[]
  readonly aggregates: readonly JobPlace[]
  /** The process has outgrown its memory, and ends. */
  readonly full: boolean
}
