/**
 * Ring: nix. Texts of derivations, as bytes. Upstream: Derivation::unparse in libstore/derivation/aterm.cc.
 *
 * Until its path and hash are known a derivation has three texts, which differ only in their outputs, in their inputs and in the variables named
 * after outputs. So what follows the inputs, the body, is written once: inputs are put right before it, outputs before them, and output paths are inserted
 * into gaps.
 */
import { AtermWriter } from './aterm-writer.ts'
import { byteStringOfBytes } from './bytes.ts'
import { formatMethodAlgorithm } from './content-address.ts'
import type { Derivation, DerivationOutput, DynamicInput } from './derivation.ts'
import { formatHash } from './hash.ts'
import { sortedMap, sortedUnique, type SortedMap } from './sorting.ts'

/** A derivation as it is printed: everything sorted. */
export interface PrintableDerivation extends Omit<Derivation, 'outputs' | 'inputDerivations' | 'env'> {
  readonly outputs: SortedMap<DerivationOutput>
  readonly inputDerivations: SortedMap<readonly string[]>
  readonly env: SortedMap<string>
}

/** A variable whose value isn't there yet: its index among the variables, and where its value goes, from the start of the body. */
interface Gap {
  readonly index: number
  readonly offset: number
}

const [COMMA, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = [44, 40, 41, 91, 93]
/** Room for outputs and inputs: more is made where some need it. */
const HEAD_ROOM = 16 * 1024

/** Texts that it gives are good until it writes something else. */
export class DerivationPrinter {
  private readonly writer = new AtermWriter()
  private room = HEAD_ROOM
  /** Where the body begins, and where the inputs before it do. */
  private body = HEAD_ROOM
  private inputs = HEAD_ROOM
  private opening = ''
  private gaps: Gap[] = []

  /** Writes what follows the inputs; variables that are named after `unknown` outputs (sorted) stay empty. */
  writeBody({ inputSources, system, builder, args, env: { keys, values } }: PrintableDerivation, unknown: readonly string[] = []): void {
    const { writer } = this
    this.body = this.inputs = writer.position = this.room
    this.gaps = []
    writer.byte(COMMA)
    this.names(inputSources)
    writer.byte(COMMA)
    writer.quotedPlain(system)
    writer.byte(COMMA)
    writer.quoted(builder)
    writer.byte(COMMA)
    writer.byte(OPEN_LIST)
    for (let i = 0; i < args.length; i++) {
      if (i > 0) writer.byte(COMMA)
      writer.quoted(args[i]!)
    }
    writer.byte(CLOSE_LIST)
    writer.byte(COMMA)
    writer.byte(OPEN_LIST)
    let next = 0
    for (let i = 0; i < keys.length; i++) {
      const name = keys[i]!
      while (next < unknown.length && unknown[next]! < name) next++
      if (i > 0) writer.byte(COMMA)
      if (unknown[next] === name) {
        writer.pair(name, '')
        // before the quote and the parenthesis that end it
        this.gaps.push({ index: i, offset: writer.position - 2 - this.body })
      } else writer.pair(name, values[i]!)
    }
    writer.byte(CLOSE_LIST)
    writer.byte(CLOSE)
  }

  /** Inserts the paths of the outputs that were unknown, into the text and among the variables. */
  fillGaps({ keys, values }: SortedMap<string>, outputs: readonly string[], paths: readonly string[]): SortedMap<string> {
    const filled = values.slice()
    // from the last on, since what is inserted moves what follows
    for (const { index, offset } of this.gaps.reverse()) {
      filled[index] = paths[outputs.indexOf(keys[index]!)]!
      this.writer.insert(filled[index], this.body + offset)
    }
    this.gaps = []
    return { keys, values: filled }
  }

  /** Puts inputs before the body, in place of those that were there: derivations by their paths, or what stands for them in hash-modulo. */
  putInputs(inputs: SortedMap<readonly string[]>): void {
    const { writer } = this
    const start = writer.position
    this.opening = 'Derive('
    writer.byte(COMMA)
    writer.byte(OPEN_LIST)
    for (let i = 0; i < inputs.keys.length; i++) {
      if (i > 0) writer.byte(COMMA)
      writer.byte(OPEN)
      writer.quotedPlain(inputs.keys[i]!)
      writer.byte(COMMA)
      this.names(inputs.values[i]!)
      writer.byte(CLOSE)
    }
    writer.byte(CLOSE_LIST)
    this.inputs = this.moveBefore(this.body, start)
  }

  /** The same where some outputs that are wanted are those of derivations that inputs make. */
  putDynamicInputs({ keys, values }: SortedMap<readonly string[]>, dynamicInputs: ReadonlyMap<string, ReadonlyMap<string, DynamicInput>>): void {
    const all = new Map<string, DynamicInput>(keys.map((path, i) => [path, { outputs: values[i]!, dynamic: new Map() }]))
    for (const [path, dynamic] of dynamicInputs) all.set(path, { outputs: all.get(path)?.outputs ?? [], dynamic })
    const start = this.writer.position
    this.opening = 'DrvWithVersion("xp-dyn-drv",'
    this.writer.byte(COMMA)
    this.dynamicInputs(all)
    this.inputs = this.moveBefore(this.body, start)
  }

  /** The text with the inputs that were put there and with outputs, if wanted without their paths. */
  text(outputs: SortedMap<DerivationOutput>, maskPaths = false): Uint8Array {
    const { writer } = this
    const start = writer.position
    writer.plain(this.opening)
    writer.byte(OPEN_LIST)
    for (let i = 0; i < outputs.keys.length; i++) {
      if (i > 0) writer.byte(COMMA)
      this.output(outputs.keys[i]!, outputs.values[i]!, maskPaths)
    }
    writer.byte(CLOSE_LIST)
    const first = this.moveBefore(this.inputs, start)
    return writer.bytes.subarray(first, writer.position)
  }

  /** Moves what was written since `start` to right before `place`; gives where it begins there. How much it is isn't known before it is written. */
  private moveBefore(place: number, start: number): number {
    const { writer } = this
    const size = writer.position - start
    if (size > place) {
      const more = size - place
      writer.makeRoom(more, 0)
      this.room += more
      this.body += more
      this.inputs += more
      return this.moveBefore(place + more, start + more)
    }
    writer.bytes.copyWithin(place - size, start, writer.position)
    writer.position = start
    return place - size
  }

  private dynamicInputs(inputs: ReadonlyMap<string, DynamicInput>): void {
    const { writer } = this
    writer.byte(OPEN_LIST)
    sortedUnique([...inputs.keys()]).forEach((key, i) => {
      const { outputs, dynamic } = inputs.get(key)!
      if (i > 0) writer.byte(COMMA)
      writer.byte(OPEN)
      writer.quotedPlain(key)
      writer.byte(COMMA)
      if (dynamic.size > 0) writer.byte(OPEN)
      this.names(sortedUnique(outputs))
      if (dynamic.size > 0) {
        writer.byte(COMMA)
        this.dynamicInputs(dynamic)
        writer.byte(CLOSE)
      }
      writer.byte(CLOSE)
    })
    writer.byte(CLOSE_LIST)
  }

  private output(name: string, output: DerivationOutput, maskPath: boolean): void {
    const { writer } = this
    const { path, method, hash } = fieldsOf(output)
    writer.byte(OPEN)
    writer.quotedPlain(name)
    writer.byte(COMMA)
    writer.quotedPlain(maskPath ? '' : path)
    writer.byte(COMMA)
    writer.quotedPlain(method)
    writer.byte(COMMA)
    writer.quotedPlain(hash)
    writer.byte(CLOSE)
  }

  /** A set of names or paths: neither may hold a character that needs an escape. */
  private names(names: readonly string[]): void {
    const { writer } = this
    writer.byte(OPEN_LIST)
    for (let i = 0; i < names.length; i++) {
      if (i > 0) writer.byte(COMMA)
      writer.quotedPlain(names[i]!)
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
  return byteStringOfBytes(printedBytes(printable(derivation)))
}

/** The same as bytes, until something else is printed, and where everything is sorted already. */
export function printedBytes(derivation: PrintableDerivation): Uint8Array {
  printer.writeBody(derivation)
  putOwnInputs(printer, derivation)
  return printer.text(derivation.outputs)
}

/** The inputs that the text of the `.drv` has. */
export function putOwnInputs(printer: DerivationPrinter, { inputDerivations, dynamicInputs }: PrintableDerivation): void {
  if (dynamicInputs === undefined || dynamicInputs.size === 0) printer.putInputs(inputDerivations)
  else printer.putDynamicInputs(inputDerivations, dynamicInputs)
}

/** The text with other inputs in place of its own, until something else is printed. */
export function printDerivationModulo(derivation: PrintableDerivation, inputs: SortedMap<readonly string[]>, maskOutputs: boolean): Uint8Array {
  printer.writeBody(derivation, maskOutputs ? derivation.outputs.keys : [])
  printer.putInputs(inputs)
  return printer.text(derivation.outputs, maskOutputs)
}

export function printable(derivation: Derivation): PrintableDerivation {
  const { outputs, inputDerivations, inputSources, env } = derivation
  return {
    ...derivation,
    outputs: sortedMap([...outputs.keys()], [...outputs.values()]),
    inputDerivations: sortedMap([...inputDerivations.keys()], Array.from(inputDerivations.values(), sortedUnique)),
    inputSources: sortedUnique(inputSources),
    env: sortedMap([...env.keys()], [...env.values()]),
  }
}
