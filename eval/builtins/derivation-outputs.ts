/** Ring: eval. The lists of outputs that derivations have. There are few different ones: what follows from the list alone is made once for each. */
import type { DerivationOutput } from '../../nix/derivation.ts'
import type { SortedMap } from '../../nix/sorting.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { layoutOf, type OrderedLayout } from '../values/layout.ts'

export interface OutputList {
  /** Sorted. */
  readonly names: readonly string[]
  /** There is one, and it is `out`. */
  readonly onlyOut: boolean
  /** As long as no path is known, and the variables that will hold the paths. */
  readonly deferred: SortedMap<DerivationOutput>
  readonly empty: SortedMap<string>
  /** Of what `derivationStrict` gives: `drvPath` and then the outputs. */
  readonly result: OrderedLayout
}

const known = new Map<string, OutputList>()
const LIMIT = 1000

/** As the attribute `outputs` says it. */
export function outputsOfText(text: string): OutputList {
  return known.get(text) ?? remember(text, outputsOfNames(text.split(/[ \t\n\r]+/).filter((part) => part !== '')))
}

export function outputsOfNames(names: readonly string[]): OutputList {
  const distinct = new Set<string>()
  for (const name of names) {
    if (distinct.has(name)) throw new EvaluationError('eval', `duplicate derivation output '${name}'`)
    if (name === 'drvPath') throw new EvaluationError('eval', 'invalid derivation output name \'drvPath\'')
    distinct.add(name)
  }
  if (distinct.size === 0) throw new EvaluationError('eval', 'derivation cannot have an empty set of outputs')
  const sorted = [...distinct].sort()
  return {
    names: sorted,
    onlyOut: sorted.length === 1 && sorted[0] === 'out',
    deferred: { keys: sorted, values: sorted.map(() => ({ kind: 'deferred' })) },
    empty: { keys: sorted, values: sorted.map(() => '') },
    result: layoutOf(['drvPath', ...sorted]),
  }
}

function remember(text: string, list: OutputList): OutputList {
  if (known.size >= LIMIT) known.clear()
  known.set(text, list)
  return list
}

export const ONLY_OUT = outputsOfNames(['out'])
