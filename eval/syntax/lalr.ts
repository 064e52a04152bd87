/**
 * Ring: eval. Makes an LALR(1) parser's tables from a grammar, with Bison's rules for precedence and default reductions:
 * which tokens a state still names after those decides what a syntax error lists as expected.
 * The text-book construction (kernels, then lookaheads propagated between them); some tens of milliseconds for ours.
 */
import type { GrammarSymbol, Precedence, Rule } from './grammar.ts'

export type Action =
  | { readonly kind: 'shift'; readonly state: number }
  | { readonly kind: 'reduce'; readonly rule: number }
  | { readonly kind: 'accept' }
  /** Two operators that don't associate. */
  | { readonly kind: 'error' }

export interface State {
  /** By token; without those that the default covers. */
  readonly actions: ReadonlyMap<number, Action>
  /** Rule reduced on any other token. */
  readonly otherwise: number | undefined
  /** State after a non-terminal. */
  readonly next: ReadonlyMap<string, number>
}

export interface Tables {
  readonly states: readonly State[]
  readonly rules: readonly Rule[]
}

const END = 0
/** Stands for "whatever follows the kernel item" while lookaheads are derived. */
const PROPAGATED = 1n << 80n

interface Item {
  readonly rule: number
  readonly dot: number
}

export function makeTables(grammar: readonly Rule[], start: string, precedences: ReadonlyMap<number, Precedence>): Tables {
  return new Generator(grammar, start, precedences).run()
}

class Generator {
  private readonly rules: readonly Rule[]
  private readonly precedences: ReadonlyMap<number, Precedence>
  private readonly byLeft = new Map<string, number[]>()
  private readonly first = new Map<string, bigint>()
  private readonly nullable = new Set<string>()
  private readonly kernels: Item[][] = []
  private readonly gotos: Map<GrammarSymbol, number>[] = []

  constructor(grammar: readonly Rule[], start: string, precedences: ReadonlyMap<number, Precedence>) {
    this.rules = [{ left: '$accept', right: [start, END] }, ...grammar]
    this.precedences = precedences
    this.rules.forEach((rule, index) => {
      const known = this.byLeft.get(rule.left)
      if (known === undefined) this.byLeft.set(rule.left, [index])
      else known.push(index)
    })
  }

  run(): Tables {
    this.firstSets()
    this.automaton()
    const lookaheads = this.lookaheads()
    const states = this.kernels.map((kernel, state) => this.stateOf(state, kernel, lookaheads[state]!))
    return { states, rules: this.rules }
  }

  private firstSets(): void {
    for (const left of this.byLeft.keys()) this.first.set(left, 0n)
    for (let changed = true; changed;) {
      changed = false
      for (const { left, right } of this.rules) {
        const { set, empty } = this.firstOf(right, 0)
        const merged = this.first.get(left)! | set
        if (merged !== this.first.get(left) || (empty && !this.nullable.has(left))) changed = true
        this.first.set(left, merged)
        if (empty) this.nullable.add(left)
      }
    }
  }

  private firstOf(symbols: readonly GrammarSymbol[], from: number): { set: bigint; empty: boolean } {
    let set = 0n
    for (let at = from; at < symbols.length; at++) {
      const symbol = symbols[at]!
      if (typeof symbol === 'number') return { set: set | (1n << BigInt(symbol)), empty: false }
      set |= this.first.get(symbol)!
      if (!this.nullable.has(symbol)) return { set, empty: false }
    }
    return { set, empty: true }
  }

  /** States as sets of kernel items, and the transitions between them. */
  private automaton(): void {
    const known = new Map<string, number>()
    const add = (kernel: Item[]): number => {
      kernel.sort((a, b) => a.rule - b.rule || a.dot - b.dot)
      const key = kernel.map((item) => `${item.rule}.${item.dot}`).join(' ')
      const at = known.get(key)
      if (at !== undefined) return at
      known.set(key, this.kernels.length)
      this.kernels.push(kernel)
      this.gotos.push(new Map())
      return this.kernels.length - 1
    }
    add([{ rule: 0, dot: 0 }])
    for (let state = 0; state < this.kernels.length; state++) {
      const moves = new Map<GrammarSymbol, Item[]>()
      for (const { item } of this.closure(this.kernels[state]!.map((item) => ({ item, after: 0n })))) {
        const symbol = this.rules[item.rule]!.right[item.dot]
        if (symbol === undefined) continue
        const moved = { rule: item.rule, dot: item.dot + 1 }
        const others = moves.get(symbol)
        if (others === undefined) moves.set(symbol, [moved])
        else others.push(moved)
      }
      for (const [symbol, kernel] of moves) this.gotos[state]!.set(symbol, add(kernel))
    }
  }

  /** All items that the given ones imply, with the tokens that may come after each. */
  private closure(kernel: readonly { item: Item; after: bigint }[]): { item: Item; after: bigint }[] {
    const found = new Map<number, { item: Item; after: bigint }>()
    const work: { item: Item; after: bigint }[] = []
    const add = (item: Item, after: bigint): void => {
      const key = item.rule * 16 + item.dot
      const known = found.get(key)
      if (known === undefined) {
        const entry = { item, after }
        found.set(key, entry)
        work.push(entry)
      } else if ((known.after | after) !== known.after) {
        known.after |= after
        work.push(known)
      }
    }
    for (const { item, after } of kernel) add(item, after)
    for (let entry = work.pop(); entry !== undefined; entry = work.pop()) {
      const { right } = this.rules[entry.item.rule]!
      const symbol = right[entry.item.dot]
      if (typeof symbol !== 'string') continue
      const { set, empty } = this.firstOf(right, entry.item.dot + 1)
      const after = empty ? set | entry.after : set
      for (const rule of this.byLeft.get(symbol)!) add({ rule, dot: 0 }, after)
    }
    return [...found.values()]
  }

  /** For each state, for each of its kernel's items, the tokens that may follow it. */
  private lookaheads(): bigint[][] {
    const after = this.kernels.map((kernel) => kernel.map(() => 0n))
    after[0]![0] = 1n << BigInt(END)
    const links: { from: [number, number]; to: [number, number] }[] = []
    this.kernels.forEach((kernel, state) => {
      kernel.forEach((item, at) => {
        for (const implied of this.closure([{ item, after: PROPAGATED }])) {
          const symbol = this.rules[implied.item.rule]!.right[implied.item.dot]
          if (symbol === undefined) continue
          const target = this.gotos[state]!.get(symbol)!
          const place = this.kernels[target]!.findIndex((other) => other.rule === implied.item.rule && other.dot === implied.item.dot + 1)
          after[target]![place]! |= implied.after & ~PROPAGATED
          if (implied.after & PROPAGATED) links.push({ from: [state, at], to: [target, place] })
        }
      })
    })
    for (let changed = true; changed;) {
      changed = false
      for (const { from, to } of links) {
        const merged = after[to[0]]![to[1]]! | after[from[0]]![from[1]]!
        if (merged === after[to[0]]![to[1]]) continue
        after[to[0]]![to[1]] = merged
        changed = true
      }
    }
    return after
  }

  private stateOf(state: number, kernel: readonly Item[], after: readonly bigint[]): State {
    const actions = new Map<number, Action>()
    const next = new Map<string, number>()
    for (const [symbol, target] of this.gotos[state]!) {
      if (typeof symbol === 'string') next.set(symbol, target)
      else actions.set(symbol, symbol === END ? { kind: 'accept' } : { kind: 'shift', state: target })
    }
    const reductions = this.closure(kernel.map((item, at) => ({ item, after: after[at]! })))
      .filter(({ item }) => item.dot === this.rules[item.rule]!.right.length)
      .sort((a, b) => a.item.rule - b.item.rule)
    const counts = new Map<number, number>()
    for (const { item, after: tokens } of reductions) {
      for (let token = 0; token < 64; token++) {
        if ((tokens >> BigInt(token)) & 1n && this.reduces(item.rule, token, actions)) {
          actions.set(token, { kind: 'reduce', rule: item.rule })
          counts.set(item.rule, (counts.get(item.rule) ?? 0) + 1)
        }
      }
    }
    let otherwise: number | undefined
    let most = 0
    for (const [rule, count] of counts) {
      if (count <= most) continue
      most = count
      otherwise = rule
    }
    for (const [token, action] of actions) if (action.kind === 'reduce' && action.rule === otherwise) actions.delete(token)
    return { actions, otherwise, next }
  }

  /** Whether the rule wins on this token; decides between it and a shift by precedence. */
  private reduces(rule: number, token: number, actions: Map<number, Action>): boolean {
    const shift = actions.get(token)
    if (shift === undefined) return true
    const ofToken = this.precedences.get(token)
    const ofRule = this.precedenceOf(this.rules[rule]!)
    if (ofToken === undefined || ofRule === undefined) throw new Error(`the grammar is ambiguous at token ${token}`)
    if (ofRule.level > ofToken.level) return true
    if (ofRule.level < ofToken.level) return false
    if (ofToken.associativity === 'none') actions.set(token, { kind: 'error' })
    return ofToken.associativity === 'left'
  }

  private precedenceOf(rule: Rule): Precedence | undefined {
    const token = rule.precedence ?? rule.right.findLast((symbol) => typeof symbol === 'number')
    return token === undefined ? undefined : this.precedences.get(token)
  }
}
