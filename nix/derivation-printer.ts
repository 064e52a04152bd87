/**
 * Ring: nix. Texts of derivations, as bytes. Upstream: Derivation::unparse in libstore/derivation/aterm.cc.
 *
 * Until its path and hash are known a derivation has three texts, which differ only in their head (outputs and inputs) and in the variables named
 * after outputs. So what follows the head is written once: heads are put right before it, and output paths are inserted into gaps.
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

type Outputs = Derivation['outputs']
type Inputs = Derivation['inputDerivations']

/** A variable whose value isn't there yet: `index` among the variables, `offset` from the start of the body. */
interface Gap {
  readonly name: string
  readonly index: number
  readonly offset: number
}

const [COMMA, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = [44, 40, 41, 91, 93]
/** Room for a head: more is made where one needs it. */
const HEAD_ROOM = 16 * 1024

/** Texts that it gives are good until it writes something else. */
export class DerivationPrinter {
  private readonly writer = new AtermWriter()
  /** Of the body: what follows the head. */
  private start = HEAD_ROOM
  private gaps: Gap[] = []

  /** Writes what follows the head; variables that are named after `unknown` outputs stay empty. */
  writeBody(derivation: PrintableDerivation, unknown?: Outputs): void {
    const { writer } = this
    const { inputSources, system, builder, args, variables: { names, values } } = derivation
    this.gaps = []
    writer.position = this.start
    writer.byte(COMMA)
    this.names(inputSources)
    writer.byte(COMMA)
    writer.quotedPlain(system)
    writer.byte(COMMA)
    writer.quoted(builder)
    writer.byte(COMMA)
    this.list(args, (argument) => writer.quoted(argument))
    writer.byte(COMMA)
    writer.byte(OPEN_LIST)
    for (let i = 0; i < names.length; i++) {
      if (i > 0) writer.byte(COMMA)
      writer.byte(OPEN)
      writer.quoted(names[i]!)
      writer.byte(COMMA)
      if (unknown?.has(names[i]!) === true) {
        this.gaps.push({ name: names[i]!, index: i, offset: writer.position + 1 - this.start })
        writer.quotedPlain('')
      } else writer.quoted(values[i]!)
      writer.byte(CLOSE)
    }
    writer.byte(CLOSE_LIST)
    writer.byte(CLOSE)
  }

  /** Inserts the paths of outputs that were unknown; gives the variables as they are then. */
  fillGaps(variables: Variables, paths: ReadonlyMap<string, string>): Variables {
    const values = variables.values.slice()
    // from the last on, since what is inserted moves what follows
    for (const { name, index, offset } of this.gaps.reverse()) {
      values[index] = paths.get(name)!
      this.writer.insert(values[index], this.start + offset)
    }
    this.gaps = []
    return { names: variables.names, values }
  }

  /** The text of the `.drv`. */
  text({ outputs, inputDerivations, dynamicInputs }: Pick<Derivation, 'outputs' | 'inputDerivations' | 'dynamicInputs'>): Uint8Array {
    return this.withHead(() => {
      if (dynamicInputs === undefined || dynamicInputs.size === 0) this.head(outputs, false, inputDerivations)
      else this.dynamicHead(outputs, inputDerivations, dynamicInputs)
    })
  }

  /** What hash-modulo hashes: with hashes (in base 16) of inputs in place of their paths, and, if wanted, without the paths of outputs. */
  textModulo(outputs: Outputs, maskOutputs: boolean, inputs: Inputs): Uint8Array {
    return this.withHead(() => this.head(outputs, maskOutputs, inputs))
  }

  /** A head's size isn't known before it is written: so it is written to the end, and moved. */
  private withHead(write: () => void): Uint8Array {
    const { writer } = this
    const end = writer.position
    write()
    const size = writer.position - end
    writer.position = end
    if (size > this.start) return this.withMoreRoom(size, write)
    writer.bytes.copyWithin(this.start - size, end, end + size)
    return writer.bytes.subarray(this.start - size, end)
  }

  private withMoreRoom(size: number, write: () => void): Uint8Array {
    this.writer.makeRoom(size, this.start)
    this.start += size
    return this.withHead(write)
  }

  private head(outputs: Outputs, maskOutputs: boolean, inputs: Inputs): void {
    const { writer } = this
    writer.plain('Derive(')
    this.outputs(outputs, maskOutputs)
    writer.byte(COMMA)
    this.list(sortedUnique([...inputs.keys()]), (key) => {
      writer.byte(OPEN)
      writer.quotedPlain(key)
      writer.byte(COMMA)
      this.names(inputs.get(key)!)
      writer.byte(CLOSE)
    })
  }

  private dynamicHead(outputs: Outputs, inputs: Inputs, dynamicInputs: NonNullable<Derivation['dynamicInputs']>): void {
    const { writer } = this
    writer.plain('DrvWithVersion("xp-dyn-drv",')
    this.outputs(outputs, false)
    writer.byte(COMMA)
    const all = new Map<string, DynamicInput>()
    for (const [path, names] of inputs) all.set(path, { outputs: names, dynamic: new Map() })
    for (const [path, dynamic] of dynamicInputs) all.set(path, { outputs: inputs.get(path) ?? [], dynamic })
    this.dynamicInputs(all)
  }

  private dynamicInputs(inputs: ReadonlyMap<string, DynamicInput>): void {
    const { writer } = this
    this.list(sortedUnique([...inputs.keys()]), (key) => {
      const { outputs, dynamic } = inputs.get(key)!
      writer.byte(OPEN)
      writer.quotedPlain(key)
      writer.byte(COMMA)
      if (dynamic.size > 0) writer.byte(OPEN)
      this.names(outputs)
      if (dynamic.size > 0) {
        writer.byte(COMMA)
        this.dynamicInputs(dynamic)
        writer.byte(CLOSE)
      }
      writer.byte(CLOSE)
    })
  }

  private outputs(outputs: Outputs, mask: boolean): void {
    this.list(sortedUnique([...outputs.keys()]), (name) => {
      const output = outputs.get(name)!
      const { path, method, hash } = fieldsOf(output)
      this.writer.byte(OPEN)
      this.writer.quotedPlain(name)
      for (const field of [mask ? '' : path, method, hash]) {
        this.writer.byte(COMMA)
        this.writer.quotedPlain(field)
      }
      this.writer.byte(CLOSE)
    })
  }

  /** A set of names or paths: neither may hold a character that needs an escape. */
  private names(names: readonly string[]): void {
    this.list(sortedUnique(names), (name) => this.writer.quotedPlain(name))
  }

  private list(items: readonly string[], write: (item: string) => void): void {
    const { writer } = this
    writer.byte(OPEN_LIST)
    for (let i = 0; i < items.length; i++) {
      if (i > 0) writer.byte(COMMA)
      write(items[i]!)
    }
    writer.byte(CLOSE_LIST)
  }
}

function fieldsOf(output: DerivationOutput): { readonly path: string; readonly method: string; readonly hash: string } {
  switch (output.kind) {
    case 'input-addressed': return { path: output.path, method: '', hash: '' }
    case 'fixed': return { path: output.path, method: formatMethodAlgorithm(output.method, output.hash.algorithm), hash: formatHash(output.hash, 'base16') }
    case 'floating': return { path: '', method: formatMethodAlgorithm(output.method, output.algorithm), hash: '' }
    case 'deferred': return { path: '', method: '', hash: '' }
    case 'impure': return { path: '', method: formatMethodAlgorithm(output.method, output.algorithm), hash: 'impure' }
  }
}

const printer = new DerivationPrinter()

/** The text of a `.drv`, its maps and sets sorted as Nix sorts them. */
export function printDerivation(derivation: Derivation): string {
  return byteStringOfBytes(printedBytes(sorted(derivation)))
}

/** The same as bytes, until something else is printed, and where the environment is sorted already. */
export function printedBytes(derivation: PrintableDerivation): Uint8Array {
  printer.writeBody(derivation)
  return printer.text(derivation)
}

/** The text with other inputs in place of its own, until something else is printed. */
export function printDerivationModulo(derivation: Derivation, inputs: ReadonlyMap<string, readonly string[]>, maskOutputs: boolean): Uint8Array {
  printer.writeBody(sorted(derivation), maskOutputs ? derivation.outputs : undefined)
  return printer.textModulo(derivation.outputs, maskOutputs, inputs)
}

function sorted(derivation: Derivation): PrintableDerivation {
  return { ...derivation, variables: sortedVariables(derivation.env) }
}

export function sortedVariables(env: ReadonlyMap<string, string>): Variables {
  const names = sortedUnique([...env.keys()])
  return { names, values: names.map((name) => env.get(name)!) }
}
