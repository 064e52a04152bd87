/**
 * Ring: nix. Texts of derivations, as bytes. Upstream: Derivation::unparse in libstore/derivation/aterm.cc.
 *
 * Until its path and hash are known a derivation has three texts, which differ only in their head (outputs and inputs) and in the variables named
 * after outputs. So what follows the head is written once: each head is put right before it, and output paths are inserted into gaps.
 */
import { AtermWriter } from './aterm-writer.ts'
import { byteStringOfBytes } from './bytes.ts'
import { formatMethodAlgorithm } from './content-address.ts'
import type { Derivation, DerivationOutput, DynamicInput } from './derivation.ts'
import { formatHash } from './hash.ts'
import { sortedUnique } from './sorting.ts'

/** Environment variables, sorted by name. */
export interface Variables {
  readonly names: readonly string[]
  /** Parallel to `names`. */
  readonly values: readonly string[]
}

/** A derivation whose environment is sorted. */
export interface PrintableDerivation extends Omit<Derivation, 'env'> {
  readonly variables: Variables
}

/** A variable whose value isn't there yet. */
interface Gap {
  readonly name: string
  readonly index: number
  /** From the start of the body. */
  readonly offset: number
}

const NO_NAMES: ReadonlySet<string> = new Set()
/** Room for a head: more is made where one needs it. */
const HEAD_ROOM = 16 * 1024

export class DerivationPrinter {
  private readonly writer = new AtermWriter()
  private start = HEAD_ROOM
  private gaps: Gap[] = []

  /** Writes what follows the head; variables of the names in `gaps` stay empty. */
  writeBody(derivation: PrintableDerivation, gaps: Pick<ReadonlySet<string>, 'has'> = NO_NAMES): void {
    const { writer } = this
    const { inputSources, system, builder, args, variables: { names, values } } = derivation
    this.gaps = []
    writer.position = this.start
    writer.plain(`,${printNames(inputSources)},"${system}",`)
    writer.quoted(builder)
    for (let i = 0; i < args.length; i++) {
      writer.plain(i === 0 ? ',[' : ',')
      writer.quoted(args[i]!)
    }
    writer.plain(args.length === 0 ? ',[],[' : '],[')
    for (let i = 0; i < names.length; i++) {
      writer.plain(i === 0 ? '(' : ',(')
      writer.quoted(names[i]!)
      writer.plain(',')
      if (gaps !== NO_NAMES && gaps.has(names[i]!)) {
        this.gaps.push({ name: names[i]!, index: i, offset: writer.position + 1 - this.start })
        writer.plain('""')
      } else writer.quoted(values[i]!)
      writer.plain(')')
    }
    writer.plain('])')
  }

  /** Fills the gaps, and gives the variables as they are then. */
  fillGaps(variables: Variables, values: ReadonlyMap<string, string>): Variables {
    const filled = variables.values.slice()
    // from the last on, since what is inserted moves what follows
    for (const { name, index, offset } of this.gaps.reverse()) {
      filled[index] = values.get(name)!
      this.writer.insert(filled[index], this.start + offset)
    }
    this.gaps = []
    return { names: variables.names, values: filled }
  }

  /** The text with this head, until something else is printed. */
  withHead(head: string): Uint8Array {
    if (head.length > this.start) this.makeRoom(head.length)
    this.writer.put(head, this.start - head.length)
    return this.writer.bytes.subarray(this.start - head.length, this.writer.position)
  }

  private makeRoom(size: number): void {
    const { writer, start } = this
    this.start = 2 * size
    writer.insert(' '.repeat(this.start - start), start)
  }
}

const shared = new DerivationPrinter()

/** The text of a `.drv`, its maps and sets sorted as Nix sorts them. */
export function printDerivation(derivation: Derivation): string {
  return printSorted({ ...derivation, variables: sortedVariables(derivation.env) })
}

/** The same where the environment is sorted already. */
export function printSorted(derivation: PrintableDerivation): string {
  shared.writeBody(derivation)
  return byteStringOfBytes(shared.withHead(printHead(derivation, printOutputs(derivation.outputs, false))))
}

/**
 * The text with other input derivations in place of its own, and, if wanted, without its own output paths: what
 * hash-modulo hashes. `inputs` maps a hash in base 16 to output names. The bytes are good until something else is printed.
 */
export function printDerivationModulo(derivation: Derivation, inputs: ReadonlyMap<string, readonly string[]>, maskOutputs: boolean): Uint8Array {
  shared.writeBody({ ...derivation, variables: sortedVariables(derivation.env) }, maskOutputs ? derivation.outputs : NO_NAMES)
  return shared.withHead(printHeadModulo(printOutputs(derivation.outputs, maskOutputs), printInputs(inputs)))
}

/** The start of a `.drv` up to its inputs; `outputs` as they stand between their brackets. */
export function printHead(derivation: Pick<Derivation, 'inputDerivations' | 'dynamicInputs'>, outputs: string): string {
  const { inputDerivations, dynamicInputs } = derivation
  if (dynamicInputs === undefined || dynamicInputs.size === 0) return `Derive([${outputs}],[${printInputs(inputDerivations)}]`
  const inputs = sortedUnique([...inputDerivations.keys(), ...dynamicInputs.keys()].sort()).map((path) => (
    `("${path}",${printInput({ outputs: inputDerivations.get(path) ?? [], dynamic: dynamicInputs.get(path) ?? new Map() })})`
  ))
  return `DrvWithVersion("xp-dyn-drv",[${outputs}],[${inputs.join(',')}]`
}

/** The same with hashes for inputs, as they stand between their brackets. */
export function printHeadModulo(outputs: string, inputs: string): string {
  return `Derive([${outputs}],[${inputs}]`
}

function printInput(input: DynamicInput): string {
  const outputs = printNames(input.outputs)
  if (input.dynamic.size === 0) return outputs
  const below = [...input.dynamic].sort(byKey).map(([outputName, node]) => `("${outputName}",${printInput(node)})`)
  return `(${outputs},[${below.join(',')}])`
}

/** The list of inputs without its brackets: by `.drv` path, or by hash. */
export function printInputs(inputs: ReadonlyMap<string, readonly string[]>): string {
  const keys = sortedUnique([...inputs.keys()])
  let text = ''
  for (let i = 0; i < keys.length; i++) text += `${i === 0 ? '' : ','}("${keys[i]!}",${printNames(inputs.get(keys[i]!)!)})`
  return text
}

/** The list of outputs without its brackets. */
export function printOutputs(outputs: ReadonlyMap<string, DerivationOutput>, maskOutputs: boolean): string {
  return [...outputs].sort(byKey).map(([outputName, output]) => `("${outputName}",${printOutput(output, maskOutputs)})`).join(',')
}

function printOutput(output: DerivationOutput, mask: boolean): string {
  switch (output.kind) {
    case 'input-addressed': return `"${mask ? '' : output.path}","",""`
    case 'fixed': return `"${mask ? '' : output.path}","${formatMethodAlgorithm(output.method, output.hash.algorithm)}","${formatHash(output.hash, 'base16')}"`
    case 'floating': return `"","${formatMethodAlgorithm(output.method, output.algorithm)}",""`
    case 'deferred': return '"","",""'
    case 'impure': return `"","${formatMethodAlgorithm(output.method, output.algorithm)}","impure"`
  }
}

/** A set of names or paths, without escapes: neither may hold a character that needs one. */
function printNames(names: readonly string[]): string {
  if (names.length === 0) return '[]'
  return names.length === 1 ? `["${names[0]}"]` : `["${sortedUnique(names).join('","')}"]`
}

export function sortedVariables(env: ReadonlyMap<string, string>): Variables {
  const names = sortedUnique([...env.keys()])
  return { names, values: names.map((name) => env.get(name)!) }
}

function byKey(left: readonly [string, unknown], right: readonly [string, unknown]): number {
  return left[0] < right[0] ? -1 : left[0] > right[0] ? 1 : 0
}
