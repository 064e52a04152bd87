/** Ring: evaluator. The derivations that an evaluation has made or read. Their texts are printed when asked for, and parsed only if they were read. */
import type { AddedDerivation } from '../eval/io.ts'
import { byteStringOfBytes } from '../nix/bytes.ts'
import { parseDerivation, type DerivationOutput } from '../nix/derivation.ts'
import { derivationName, parseStorePath } from '../nix/store-path.ts'

export class KnownDerivations {
  private readonly made = new Map<string, AddedDerivation>()
  private readonly texts = new Map<string, string>()
  private readonly outputs = new Map<string, ReadonlyMap<string, DerivationOutput>>()
  private readonly readText: (drvPath: string) => string

  /** `readText` reads one that isn't known; what it throws is thrown here. */
  constructor(readText: (drvPath: string) => string) {
    this.readText = readText
  }

  /** False where it was known already. */
  add(derivation: AddedDerivation): boolean {
    if (this.has(derivation.drvPath)) return false
    this.made.set(derivation.drvPath, derivation)
    return true
  }

  has(drvPath: string): boolean {
    return this.made.has(drvPath) || this.texts.has(drvPath)
  }

  /** The ATerm, a byte string. */
  text(drvPath: string): string {
    const made = this.made.get(drvPath)
    if (made !== undefined) return byteStringOfBytes(made.aterm())
    let text = this.texts.get(drvPath)
    if (text === undefined) this.texts.set(drvPath, (text = this.readText(drvPath)))
    return text
  }

  /** Undefined where it has no such output. */
  output(drvPath: string, name: string): DerivationOutput | undefined {
    const made = this.made.get(drvPath)
    if (made !== undefined) return made.outputs.values[made.outputs.keys.indexOf(name)]
    let outputs = this.outputs.get(drvPath)
    if (outputs === undefined) this.outputs.set(drvPath, (outputs = parseDerivation(this.text(drvPath), derivationName(parseStorePath(drvPath))).outputs))
    return outputs.get(name)
  }

  /** Undefined where it wasn't made here. */
  references(drvPath: string): readonly string[] | undefined {
    return this.made.get(drvPath)?.references
  }
}

/** Of the need of these outputs, in any order. */
export function realiseKey(drvPath: string, outputs: readonly string[]): string {
  return `realise:${drvPath}!${outputs.length === 1 ? outputs[0]! : [...outputs].sort().join(',')}`
}
