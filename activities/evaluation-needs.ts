/**
 * Ring: activities. What an evaluator waits for: needs become demands of nodes, and ended nodes become answers. Upstream counterpart:
 * EvalState::realiseContext, which builds one after the other while everything waits.
 */
import { asFirnError } from '../contract/errors.ts'
import type { Need, NeedAnswer } from '../contract/evaluations.ts'
import { describeCause, type FailureCause, type NodeKey, type NodeOutcome } from '../contract/nodes.ts'
import { parseBaseName, parseStorePath } from '../nix/store-path.ts'
import type { OutputPaths } from '../state/database.ts'
import { recordDemands, recordJournal } from '../state/evaluations.ts'
import { readNodes, readRealisations } from '../state/nodes.ts'
import type { Lease } from '../store/local/interface.ts'
import { beginNodes } from './begin-nodes.ts'
import type { Dependencies } from './dependencies.ts'
import type { PlanMemory, Want } from './graph.ts'

/** Imports hold up everything behind them: they go before jobs of the same evaluation. */
const IMPORT_PRIORITY = 2

interface Waiting {
  readonly need: Need
  readonly outputs: OutputPaths
}

export class NeedKeeper {
  readonly #parts: Pick<Dependencies, 'database' | 'store' | 'motion' | 'planner' | 'realisePlans' | 'fetchers' | 'hub' | 'logger'>
  readonly #evaluationId: number
  readonly #memory: PlanMemory
  readonly #onReady: () => void
  readonly #byNode = new Map<NodeKey, { readonly waiting: Waiting[]; readonly unwatch: () => void }>()
  /** With what became of them, where that is known. */
  readonly #ended = new Map<NodeKey, NodeOutcome | undefined>()
  /** Answers that came from here and not from a node. */
  #answers: NeedAnswer[] = []
  #inProcess = 0
  readonly #leases: Lease[] = []
  /** How many imports were asked for. */
  imports = 0

  constructor(parts: Pick<Dependencies, 'database' | 'store' | 'motion' | 'planner' | 'realisePlans' | 'fetchers' | 'hub' | 'logger'>, evaluationId: number, memory: PlanMemory, onReady: () => void) {
    this.#parts = parts
    this.#evaluationId = evaluationId
    this.#memory = memory
    this.#onReady = onReady
  }

  /** Nodes that needs wait for. */
  get nodes(): NodeKey[] {
    return [...this.#byNode.keys()]
  }

  /** Downloads that this process does itself, and that need it to stay. */
  get inProcess(): number {
    return this.#inProcess
  }

  get ready(): boolean {
    return this.#ended.size > 0 || this.#answers.length > 0
  }

  /** Takes needs; what can be answered is answered by the next `takeAnswers`. */
  async add(needs: readonly Need[], priority: number, signal: AbortSignal): Promise<void> {
    this.imports += needs.length
    const ofNodes: { readonly need: Need; readonly want: Want }[] = []
    for (const need of needs) {
      switch (need.kind) {
        case 'realise': ofNodes.push({ need, want: { kind: 'derivation', drvPath: need.drvPath, outputs: need.outputs } }); break
        case 'fetch': ofNodes.push({ need, want: { kind: 'fetch', baseName: parseStorePath(need.storePath).baseName, request: need.request } }); break
        case 'path': ofNodes.push({ need, want: { kind: 'fetch', baseName: parseStorePath(need.storePath).baseName, request: null } }); break
        case 'unlocked-fetch': this.#fetchUnlocked(need, signal); break
      }
    }
    if (ofNodes.length === 0) return
    const { database: { db }, planner } = this.#parts
    const importPriority = Math.min(priority, IMPORT_PRIORITY)
    const plan = await planner.plan(ofNodes.map(({ want }) => want), { priority: importPriority, evaluationId: this.#evaluationId }, this.#memory)
    const planned = plan.wants
    const missing = new Map<NodeKey, Waiting[]>()
    const demands: { nodeKey: NodeKey; outputs: readonly string[] }[] = []
    for (const [index, { need }] of ofNodes.entries()) {
      const { key, valid, outputs } = planned[index]!
      if (valid) {
        await this.#answerValid([{ need, outputs }])
        continue
      }
      missing.set(key, [...missing.get(key) ?? [], { need, outputs }])
      demands.push({ nodeKey: key, outputs: need.kind === 'realise' ? need.outputs : ['out'] })
    }
    if (missing.size === 0) return
    await recordDemands(db, this.#evaluationId, 'import', demands, importPriority)
    for (const [key, waiting] of missing) {
      const before = this.#byNode.get(key)
      if (before) before.waiting.push(...waiting)
      else this.#byNode.set(key, { waiting, unwatch: this.#parts.hub.watch(key, (_, outcome) => this.#markEnded(key, outcome)) })
    }
    for (const other of await beginNodes(this.#parts, plan, this.#evaluationId)) {
      if (missing.has(other.nodeKey) && (other.state === 'failed' || other.state === 'succeeded')) this.#ended.set(other.nodeKey, undefined)
    }
  }

  /** Looks whether nodes have ended whose notification was lost. */
  async look(): Promise<void> {
    const rows = await readNodes(this.#parts.database.db, this.nodes)
    for (const row of rows.values()) if (row.state === 'failed' || row.state === 'succeeded') this.#ended.set(row.key, undefined)
  }

  /** What can be answered now; paths in it are readable, and stay so until `close`. */
  async takeAnswers(): Promise<readonly NeedAnswer[]> {
    const ended = [...this.#ended]
    this.#ended.clear()
    const rows = await readNodes(this.#parts.database.db, ended.flatMap(([key, outcome]) => (outcome === undefined ? [key] : [])))
    for (const [key, known] of ended) {
      const row = rows.get(key)
      const outcome = known ?? (row?.state === 'succeeded' || row?.state === 'failed' ? row.outcome : undefined)
      const entry = this.#byNode.get(key)
      if (!entry || !outcome) continue
      this.#byNode.delete(key)
      entry.unwatch()
      if (outcome.status === 'succeeded') await this.#answerValid(entry.waiting)
      else for (const { need } of entry.waiting) this.#answers.push({ key: need.key, ok: false, message: failureMessage(need, outcome) })
    }
    const answers = this.#answers
    this.#answers = []
    return answers
  }

  /** Forgets what is outstanding: the evaluator that asked is gone. */
  reset(): void {
    for (const { unwatch } of this.#byNode.values()) unwatch()
    this.#byNode.clear()
    this.#ended.clear()
    this.#answers = []
  }

  close(): void {
    this.reset()
    for (const lease of this.#leases) lease.release()
    this.#leases.length = 0
  }

  #markEnded(key: NodeKey, outcome: NodeOutcome | undefined): void {
    if (outcome !== undefined || !this.#ended.has(key)) this.#ended.set(key, outcome)
    this.#onReady()
  }

  async #answerValid(waiting: readonly Waiting[]): Promise<void> {
    const { store } = this.#parts
    for (const { need, outputs } of waiting) {
      try {
        const bases = need.kind === 'realise' ? await this.#outputPaths(need, outputs) : [parseStorePath((need as { storePath: string }).storePath).baseName]
        const lease = await store.local.layOut(bases.map((base) => parseBaseName(base)))
        this.#leases.push(lease)
        const base = bases[0]!
        this.#answers.push({ key: need.key, ok: true, storePath: `/nix/store/${base}`, localPath: lease.localPaths.get(base) ?? store.local.localPath(parseBaseName(base)) })
      } catch (error) {
        const { kind, message } = asFirnError(error)
        if (kind !== 'not-found') throw error
        this.#answers.push({ key: need.key, ok: false, message })
      }
    }
  }

  async #outputPaths(need: Need & { readonly kind: 'realise' }, outputs: OutputPaths): Promise<string[]> {
    const unknown = need.outputs.some((output) => outputs[output] === null)
    const realised = unknown ? (await readRealisations(this.#parts.database.db, [need.drvPath])).get(need.drvPath) : undefined
    return need.outputs.map((output) => {
      const base = outputs[output] ?? realised?.get(output)
      if (base === undefined) throw new Error(`output '${output}' of '${need.drvPath}' has no path`)
      return base
    })
  }

  /** A download that no hash identifies is no node: it is done here, once for the evaluation, and remembered in its journal. */
  #fetchUnlocked(need: Need & { readonly kind: 'unlocked-fetch' }, signal: AbortSignal): void {
    this.#inProcess++
    const { fetchers, database: { db }, store, logger } = this.#parts
    void (async () => {
      try {
        const fetched = await fetchers.fetchUnlocked(need.request, { signal })
        await recordJournal(db, this.#evaluationId, new Map([[need.key, fetched]]))
        const storePath = parseStorePath(fetched.storePath)
        const lease = await store.local.layOut([storePath])
        this.#leases.push(lease)
        this.#answers.push({ key: need.key, ok: true, storePath: fetched.storePath, localPath: lease.localPaths.get(storePath.baseName) ?? store.local.localPath(storePath), fetched })
      } catch (error) {
        logger.info({ error, url: need.request.url }, 'an unlocked fetch failed')
        this.#answers.push({ key: need.key, ok: false, message: asFirnError(error).message })
      } finally {
        this.#inProcess--
        this.#onReady()
      }
    })()
  }
}

function failureMessage(need: Need, outcome: NodeOutcome): string {
  const what = need.kind === 'realise' ? `build of '${need.drvPath}'` : need.kind === 'unlocked-fetch' ? `fetch of '${need.request.url}'` : `path '${need.storePath}'`
  if (outcome.status !== 'failed') return `${what} failed`
  const tail = outcome.logTail ?? []
  const { cause } = outcome
  const log = tail.length > 0 ? `;\nlast ${tail.length} log lines:\n${tail.map((line) => `> ${line}`).join('\n')}` : ''
  return `${what} failed: ${describeCause(cause)}${log}${hint(cause)}`
}

function hint(cause: FailureCause): string {
  return cause.kind === 'dependency-failed' ? `\nfor its log, run 'firn log ${cause.buildId}'` : ''
}
