/**
 * Ring: activities. Planning a demand: which of the nodes that it reaches aren't valid, in as many queries as the graph is deep, and
 * registered in the farm's tables in one go. Upstream counterpart: queryMissing (libstore/misc.cc).
 *
 * A subgraph whose top is valid is not looked into: a warm jobset costs what changed. Substituters are asked once for all that is
 * missing, and what they have prunes what it would have needed.
 */
import type { FetchRequest } from '../contract/fetch.ts'
import type { NodeKey } from '../contract/nodes.ts'
import { derivationName, parseBaseName, parseStorePath } from '../nix/store-path.ts'
import type { Database, OutputPaths } from '../state/database.ts'
import { markValid, type NodeRecord, readFetches, readRealisations, registerNodes } from '../state/nodes.ts'
import type { PathInfoStore } from '../store/path-info/interface.ts'
import type { Substituters } from '../store/substituters/interface.ts'
import type { DerivationReader, KnownDerivation } from './derivations.ts'

/** What somebody wants. */
export type Want =
  | { readonly kind: 'derivation'; readonly drvPath: string; readonly outputs: readonly string[] }
  | { readonly kind: 'fetch'; readonly baseName: string; readonly request: FetchRequest | null }

export interface Planned {
  readonly key: NodeKey
  /** All that was wanted of it is there. */
  readonly valid: boolean
  /** As far as known. */
  readonly outputs: OutputPaths
}

export interface Plan {
  /** In the order of the wants. */
  readonly wants: readonly Planned[]
  /**
   * Nodes to begin, inputs before what needs them: those that were wanted and aren't valid, and what is below them. What lies at the
   * bottom runs while the rest is still being started, and a node whose inputs have ended by then never waits. Of a very large
   * graph only the bottom; what is in between is begun by who needs it.
   */
  readonly begin: readonly NodeKey[]
  /** Those of them that need nothing that isn't there. */
  readonly ready: ReadonlySet<NodeKey>
}

/** Nodes that a plan has begun at once. */
const BEGUN_AT_ONCE = 1000

export interface PlanOptions {
  readonly priority: number
  readonly evaluationId?: number
  /** Register the wanted nodes themselves even where they are valid, so that they can be shown. */
  readonly registerValid?: boolean
  /** Nodes for which no cache is asked: one said it had them, and could not give them. */
  readonly withoutSubstitutes?: ReadonlySet<NodeKey>
}

/** What one evaluation has planned already, so that jobs that share most of their graph don't walk it again. */
export class PlanMemory {
  /** .drv paths of nodes that aren't valid and are registered, with their edges. */
  readonly planned = new Set<string>()
  readonly valid = new Set<string>()
}

interface Draft {
  readonly key: NodeKey
  readonly known: KnownDerivation | null
  /** Other .drv paths that make the same. */
  readonly aliases: Set<string>
  readonly request: FetchRequest | null
  readonly wanted: Set<string>
  readonly outputs: OutputPaths
  readonly inputs: Set<NodeKey>
  substitutable: boolean
  /** Looked into already, by this plan or one before it. */
  readonly expanded: boolean
}

export class GraphPlanner {
  readonly #database: Database
  readonly #pathInfos: PathInfoStore
  readonly #substituters: Substituters | undefined
  readonly #derivations: DerivationReader

  constructor(parts: { readonly database: Database; readonly pathInfos: PathInfoStore; readonly substituters?: Substituters; readonly derivations: DerivationReader }) {
    this.#database = parts.database
    this.#pathInfos = parts.pathInfos
    this.#substituters = parts.substituters
    this.#derivations = parts.derivations
  }

  /**
   * Plans wants together. Nodes that aren't valid are registered with their edges, but not
   * begun. Throws 'not-found' where a derivation isn't in the store.
   */
  async plan(wants: readonly Want[], options: PlanOptions, memory: PlanMemory = new PlanMemory()): Promise<Plan> {
    const walk = new Walk(this.#pathInfos, this.#derivations, this.#database, memory)
    const planned = await walk.run(wants)
    const drafts = walk.missing()
    if (this.#substituters && drafts.length > 0) await this.#markSubstitutable(drafts.filter((draft) => !options.withoutSubstitutes?.has(draft.key)), this.#substituters)
    const kept = reachable(planned.filter((one) => !one.valid).map((one) => one.key), walk.drafts)
    const records = kept.map(recordOf)
    if (options.registerValid) records.push(...wants.flatMap((want, index) => (planned[index]!.valid ? [validRecord(want, planned[index]!, walk)] : [])))
    await registerNodes(this.#database, records, options)
    for (const draft of kept) if (draft.known) memory.planned.add(draft.known.drvPath)
    if (options.registerValid) await markValid(this.#database, planned.filter((one) => one.valid).map((one) => one.key))
    const wanted = planned.filter((one) => !one.valid).map((one) => one.key)
    return {
      wants: planned,
      begin: [...new Set([...inputsFirst(kept).slice(0, BEGUN_AT_ONCE), ...wanted])],
      ready: new Set(kept.filter((draft) => draft.substitutable || draft.inputs.size === 0).map((draft) => draft.key)),
    }
  }

  /** Whether each output of these nodes is there. Outputs whose paths aren't known yet are not. */
  async validOutputs(nodes: readonly { readonly key: NodeKey; readonly outputs: OutputPaths; readonly drvPath: string | null }[]): Promise<Set<NodeKey>> {
    const floating = nodes.filter((node) => node.drvPath !== null && Object.values(node.outputs).includes(null))
    const realisations = await readRealisations(this.#database, floating.map((node) => node.drvPath ?? ''))
    const paths = new Map(nodes.map((node) => [node.key, Object.entries(node.outputs).map(([name, base]) => base ?? realisations.get(node.drvPath ?? '')?.get(name) ?? null)]))
    const hashes = [...new Set([...paths.values()].flat())].flatMap((base) => (base === null ? [] : [parseBaseName(base).hash]))
    const valid = hashes.length === 0 ? new Set<string>() : await this.#pathInfos.has(hashes)
    return new Set(nodes.filter((node) => paths.get(node.key)!.every((base) => base !== null && valid.has(parseBaseName(base).hash))).map((node) => node.key))
  }

  async #markSubstitutable(drafts: readonly Draft[], substituters: Substituters): Promise<void> {
    const candidates = drafts.filter((draft) => draft.known?.options.allowSubstitutes !== false && !Object.values(draft.outputs).includes(null))
    const paths = candidates.flatMap((draft) => Object.values(draft.outputs).map((base) => parseBaseName(base ?? '')))
    if (paths.length === 0) return
    const found = await substituters.substitutable(paths)
    for (const draft of candidates) draft.substitutable = Object.values(draft.outputs).every((base) => base !== null && found.has(base))
  }
}

/** One walk down from the wants, level by level. */
class Walk {
  readonly drafts = new Map<NodeKey, Draft>()
  readonly derivationsByPath = new Map<string, KnownDerivation>()
  readonly #pathInfos: PathInfoStore
  readonly #derivations: DerivationReader
  readonly #database: Database
  readonly #memory: PlanMemory
  readonly #validOutputs = new Map<string, Map<string, string | null>>()

  constructor(pathInfos: PathInfoStore, derivations: DerivationReader, database: Database, memory: PlanMemory) {
    this.#pathInfos = pathInfos
    this.#derivations = derivations
    this.#database = database
    this.#memory = memory
  }

  missing(): Draft[] {
    return [...this.drafts.values()].filter((draft) => !draft.expanded)
  }

  async run(wants: readonly Want[]): Promise<Planned[]> {
    const edges = await this.#level(wants.map((want) => ({ want, by: undefined })))
    let next = edges
    while (next.length > 0) next = await this.#level(next)
    return wants.map((want) => {
      if (want.kind === 'fetch') return { key: want.baseName, valid: !this.drafts.has(want.baseName), outputs: { out: want.baseName } }
      const known = this.derivationsByPath.get(want.drvPath)!
      const outputs = Object.fromEntries(Object.keys(known.outputs).map((name) => [name, this.#validOutputs.get(want.drvPath)?.get(name) ?? known.outputs[name] ?? null]))
      const draft = this.drafts.get(known.key)
      return { key: known.key, valid: !draft || want.outputs.every((name) => !draft.wanted.has(name)), outputs }
    })
  }

  /** Looks at one level; gives the next: what the missing ones among these need. */
  async #level(wanted: readonly { readonly want: Want; readonly by: Draft | undefined }[]): Promise<{ want: Want; by: Draft }[]> {
    const drvPaths = [...new Set(wanted.flatMap(({ want }) => (want.kind === 'derivation' ? [want.drvPath] : [])))]
    const known = await this.#derivations.read(drvPaths)
    for (const [drvPath, one] of known) this.derivationsByPath.set(drvPath, one)
    const realisations = await readRealisations(this.#database, drvPaths.filter((drvPath) => known.get(drvPath)!.floating))
    for (const [drvPath, outputs] of realisations) this.#validOutputs.set(drvPath, outputs)
    const pathOf = (drvPath: string, output: string): string | null => known.get(drvPath)!.outputs[output] ?? realisations.get(drvPath)?.get(output) ?? null
    const unknown = new Set<string>()
    for (const { want } of wanted) {
      const paths = want.kind === 'fetch' ? [want.baseName] : want.outputs.map((output) => pathOf(want.drvPath, output))
      for (const path of paths) if (path !== null && !this.#memory.valid.has(path)) unknown.add(path)
    }
    if (unknown.size > 0) {
      const valid = await this.#pathInfos.has([...unknown].map((base) => parseBaseName(base).hash))
      for (const base of unknown) if (valid.has(parseBaseName(base).hash)) this.#memory.valid.add(base)
    }
    const fetches = await this.#mentionedFetches(wanted.flatMap(({ want }) => (want.kind === 'fetch' && want.request === null && !this.#memory.valid.has(want.baseName) ? [want.baseName] : [])))
    const next: { want: Want; by: Draft }[] = []
    for (const { want, by } of wanted) {
      if (want.kind === 'fetch') {
        if (this.#memory.valid.has(want.baseName)) continue
        by?.inputs.add(want.baseName)
        if (!this.drafts.has(want.baseName)) {
          this.drafts.set(want.baseName, {
            key: want.baseName, known: null, aliases: new Set(), request: want.request ?? fetches.get(want.baseName) ?? null, wanted: new Set(['out']),
            outputs: { out: want.baseName }, inputs: new Set(), substitutable: false, expanded: false,
          })
        }
        continue
      }
      const missing = want.outputs.filter((output) => {
        const path = pathOf(want.drvPath, output)
        return path === null || !this.#memory.valid.has(path)
      })
      if (missing.length === 0) continue
      const one = known.get(want.drvPath)!
      by?.inputs.add(one.key)
      const draft = this.drafts.get(one.key)
      if (draft) {
        for (const output of missing) draft.wanted.add(output)
        if (draft.known?.drvPath !== want.drvPath) draft.aliases.add(want.drvPath)
        continue
      }
      const added: Draft = {
        key: one.key, known: one, aliases: new Set(), request: null, wanted: new Set(missing), outputs: one.outputs, inputs: new Set(),
        substitutable: false, expanded: this.#memory.planned.has(want.drvPath),
      }
      this.drafts.set(one.key, added)
      if (added.expanded) continue
      for (const [drvPath, outputs] of one.derivation.inputDerivations) next.push({ want: { kind: 'derivation', drvPath, outputs }, by: added })
      for (const drvPath of one.derivation.dynamicInputs?.keys() ?? []) next.push({ want: { kind: 'derivation', drvPath, outputs: ['out'] }, by: added })
      for (const source of one.derivation.inputSources) next.push({ want: { kind: 'fetch', baseName: parseStorePath(source).baseName, request: null }, by: added })
    }
    return next
  }

  async #mentionedFetches(baseNames: readonly string[]): Promise<Map<string, FetchRequest>> {
    return await readFetches(this.#database, baseNames)
  }
}

/** What is still needed once what can be substituted needs nothing itself. */
function reachable(keys: readonly NodeKey[], drafts: ReadonlyMap<NodeKey, Draft>): Draft[] {
  const found = new Map<NodeKey, Draft>()
  const waiting = [...keys]
  for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
    const draft = drafts.get(key)
    if (!draft || found.has(key)) continue
    found.set(key, draft)
    if (!draft.substitutable) waiting.push(...draft.inputs)
  }
  return [...found.values()].filter((draft) => !draft.expanded)
}

/** Keys by height: first those that need nothing of the others, then those that need only these, and so on. */
function inputsFirst(drafts: readonly Draft[]): NodeKey[] {
  const byKey = new Map(drafts.map((draft) => [draft.key, draft]))
  const heights = new Map<NodeKey, number>()
  // two .drvs of one fixed output are one key, which may so be found below itself: what is being looked at counts as a bottom
  const entered = new Set<NodeKey>()
  const waiting = [...byKey.keys()]
  for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
    if (heights.has(key)) continue
    const { substitutable, inputs } = byKey.get(key)!
    const below = substitutable ? [] : [...inputs].filter((input) => byKey.has(input))
    const unknown = below.filter((input) => !heights.has(input) && !entered.has(input))
    entered.add(key)
    if (unknown.length > 0) waiting.push(key, ...unknown)
    else heights.set(key, below.reduce((height, input) => Math.max(height, 1 + (heights.get(input) ?? 0)), 0))
  }
  return [...heights].sort(([, a], [, b]) => a - b).map(([key]) => key)
}

function recordOf(draft: Draft): NodeRecord {
  const { known } = draft
  const path = parseBaseName(known ? parseStorePath(known.drvPath).baseName : draft.key)
  const fetch = known ? known.fetch : draft.request
  return {
    key: draft.key,
    kind: fetch !== null || known === null ? 'fetch' : 'derivation',
    name: known ? derivationName(path) : path.name,
    system: known ? known.derivation.system : 'builtin',
    features: known?.options.requiredSystemFeatures ?? [],
    drvPath: known?.drvPath ?? null,
    aliases: [...draft.aliases],
    outputs: draft.outputs,
    fetch,
    fixed: known ? known.fixed : true,
    substitutable: draft.substitutable,
    inputs: draft.substitutable ? [] : [...draft.inputs],
  }
}

function validRecord(want: Want, planned: Planned, walk: Walk): NodeRecord {
  const known = want.kind === 'derivation' ? walk.derivationsByPath.get(want.drvPath)! : null
  return recordOf({ key: planned.key, known, aliases: new Set(), request: want.kind === 'fetch' ? want.request : null, wanted: new Set(), outputs: planned.outputs, inputs: new Set(), substitutable: false, expanded: false })
}
