/**
 * Ring: eval. An evaluator that stays between evaluations and computes again only what a change can reach. Stock Nix has no counterpart.
 * docs/design/resident-evaluation.md says how and why.
 *
 *   const resident = new ResidentEvaluator({ io, settings })
 *   const session = resident.begin({ request, emit })      // as often as wanted, one after the other
 */
import type { EvaluationRequest, EvaluationSettings } from '../contract/evaluations.ts'
import { Evaluator } from './evaluator.ts'
import { ObservedIO, type ObservableIO } from './observed-io.ts'
import { EvaluationSession, type JobOptions, type SessionOptions } from './session.ts'
import { Root } from './session/root.ts'

export interface ResidentOptions {
  readonly io: ObservableIO
  readonly settings: EvaluationSettings
  readonly workingFolder?: string
}

/** Roots that are kept: requests that differ in arguments take turns. */
const ROOTS = 4

export class ResidentEvaluator {
  readonly evaluator: Evaluator
  private readonly world: ObservedIO
  private readonly roots = new Map<string, Root>()
  private session: EvaluationSession | undefined

  constructor(options: ResidentOptions) {
    this.world = new ObservedIO(options.io)
    this.evaluator = new Evaluator({
      io: this.world, settings: options.settings,
      trace: (level, text) => {
        this.world.noteTrace(level, text)
        this.session?.trace(level, text)
      },
      ...(options.workingFolder !== undefined && { workingFolder: options.workingFolder }),
    })
  }

  /** Another evaluation: looks at the world anew. The one before is over. Gives how many observations had changed as well. */
  begin(options: Omit<SessionOptions, 'io' | 'settings' | 'resident' | 'workingFolder'>): { readonly session: EvaluationSession; readonly changed: number } {
    const changed = this.world.refresh((level, text) => options.emit({ kind: 'trace', level, text }))
    const root = this.rootOf(options.request, options.jobs)
    const session = new EvaluationSession({ ...options, io: this.world, settings: this.evaluator.settings, resident: { evaluator: this.evaluator, root } })
    this.session = session
    return { session, changed }
  }

  private rootOf(request: EvaluationRequest, jobs: JobOptions | undefined): Root {
    const key = JSON.stringify([request.source, Object.entries(request.arguments).sort(([a], [b]) => (a < b ? -1 : 1)), jobs?.select])
    const root = this.roots.get(key) ?? new Root(this.evaluator, request, jobs?.select)
    // the one used last stays longest
    this.roots.delete(key)
    this.roots.set(key, root)
    if (this.roots.size > ROOTS) this.roots.delete(this.roots.keys().next().value!)
    return root
  }
}
