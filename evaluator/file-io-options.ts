/** Ring: evaluator. What file-io.ts is given: where things are, and who wants to hear of what an evaluation adds and finds. */
import type { EvaluatorMessage, Need, NeedAnswer } from '../contract/evaluations.ts'

/** What an evaluation adds to the store, in an order in which content comes before what refers to it. */
export type StoreAddition = Extract<EvaluatorMessage, { readonly kind: 'source' | 'text' | 'derivation' | 'known-fetch' }>

export interface FileIOOptions {
  /** Folders in which store paths lie under their base names, asked in this order. */
  readonly storeFolders: readonly string[]
  readonly environment: ReadonlyMap<string, string>
  /** Results that an evaluation keeps for its whole life: the time, unlocked fetches. */
  readonly journal: Readonly<Record<string, unknown>>
  /** What the time is where the journal doesn't say; else it is asked of the machine. */
  readonly time?: number
  /** A store path that nobody knows is asked for instead of being reported missing. */
  readonly asksForUnknownPaths: boolean
  /** A folder for the few contents that lie nowhere on disk yet must be ingested as files; asked for when first needed. */
  readonly scratchFolder: () => string
  /** Absent where nothing is to be written. */
  readonly add?: (addition: StoreAddition) => void
  readonly record: (key: string, value: unknown) => void
  readonly trace: (level: 'trace' | 'warn', text: string) => void
  /** Meets a need at once, where somebody waits for it anyway; undefined leaves it to whoever answers later. */
  readonly answerNow?: (need: Need) => NeedAnswer | undefined
}
