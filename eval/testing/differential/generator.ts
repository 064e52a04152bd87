/**
 * Random Nix expressions, mostly well typed: the language's constructs and the builtins that compute. The same seed gives the same
 * expressions. What is generated ends, is small, fits on a line, and depends on nothing outside.
 */

export type Type = 'int' | 'float' | 'bool' | 'string' | 'null' | 'list' | 'set' | 'function' | 'path'

const TYPES: readonly Type[] = ['int', 'int', 'float', 'bool', 'string', 'string', 'string', 'null', 'list', 'list', 'set', 'set', 'function', 'path']
const NAMES = ['a', 'b', 'c', 'x', 'y', 'foo', 'bar', 'a-b', 'x\'', '"with space"', '"if"', '"1"', '""'] as const
const VARIABLES = ['v', 'w', 'q', 'r', 's', 'n'] as const
const STRINGS = ['', 'a', 'b', 'ab', 'foo', 'foo-1.2.3', '1.2', '1.10pre3', 'a/b/c', '/a/b', 'x y', 'A', '12', '-3', '1.5', 'true', 'null', 'a\\nb', '\\t', '\\"', '\\\\', '\\${', '$', '$$', 'ä', 'aaa', 'a.b.c', '[1,{\\"a\\":null}]', '{\\"x\\":1.5e3}', 'k = 1', '<a&b>', '/', '//', '.', '..'] as const
const PATTERNS = ['a', '(a)', '(a|b)', '[a-z]+', '([0-9]+)\\\\.([0-9]+)', '.*', '(.)', '', 'x*', '([[:upper:]]*)', '(a)|(b)', '[[:space:]]+', '^a', 'b$', '(', '[', 'a{1,2}', '\\\\.', '(foo)?(-)?'] as const
const INTEGERS = ['0', '1', '2', '3', '5', '7', '10', '255', '1000', '4294967296', '9007199254740991', '9007199254740993', '9223372036854775807', '(-1)', '(-2)', '(-9223372036854775807)', '(-9223372036854775807 - 1)'] as const
const FLOATS = ['0.0', '1.0', '1.5', '0.1', '.5', '2.5e10', '1e-7', '123456.789', '1e100', '3.0', '(-0.0)', '(-2.5)', '1e15', '12345678901234567890.0'] as const

interface Variable {
  readonly name: string
  readonly type: Type
}

/** Small, fast, good enough: mulberry32. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

export class ExpressionGenerator {
  private readonly random: () => number
  private variables: readonly Variable[] = []
  private budget = 0

  constructor(seed: number) {
    this.random = randomNumbers(seed)
  }

  next(): string {
    this.variables = []
    this.budget = 40
    return this.expression(this.pick(TYPES), 5)
  }

  private chance(probability: number): boolean {
    return this.random() < probability
  }

  private pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)]!
  }

  private upTo(count: number): number {
    return Math.floor(this.random() * (count + 1))
  }

  private many(count: number, make: (i: number) => string): string {
    return Array.from({ length: this.upTo(count) }, (_, i) => make(i)).join(' ')
  }

  private any(depth: number): string {
    return this.expression(this.pick(TYPES), depth)
  }

  /** In parentheses, where something follows or comes before. */
  private expression(type: Type, depth: number): string {
    this.budget--
    const wanted = this.chance(0.02) ? this.pick(TYPES) : type
    const known = this.variables.filter((variable) => variable.type === wanted)
    if (known.length > 0 && this.chance(0.3)) return this.pick(known).name
    if (depth <= 0 || this.budget <= 0) return this.leaf(wanted)
    if (this.chance(0.25)) return `(${this.construct(wanted, depth - 1)})`
    return this.chance(0.25) ? this.leaf(wanted) : `(${this.operation(wanted, depth - 1)})`
  }

  private leaf(type: Type): string {
    switch (type) {
      case 'int': return this.pick(INTEGERS)
      case 'float': return this.pick(FLOATS)
      case 'bool': return this.pick(['true', 'false'])
      case 'string': return this.chance(0.15) ? `''${this.pick(['a', ' b', '\'\'$', '\'\'${', '\'\'\\n', 'x y '])}''` : `"${this.pick(STRINGS)}"`
      case 'null': return 'null'
      case 'list': return this.pick(['[ ]', '[ 1 2 3 ]', '[ "a" "b" ]', '[ null ]', '[ [ ] ]', '[ { } ]', '[ 3 1 2 ]', '[ 1.5 1 ]'])
      case 'set': return this.pick(['{ }', '{ a = 1; }', '{ a = 1; b = "x"; }', '{ x.y = 1; }', '{ name = "n"; value = 1; }', '{ __toString = self: "s"; }', '{ outPath = "o"; }', '{ __functor = self: x: x; }', '{ type = "derivation"; outPath = "d"; }', '{ key = 1; }'])
      case 'function': return this.pick(['(x: x)', '(x: y: x)', '({ a ? 1, ... }: a)', '({ a, b ? a }: b)', '(x: x + 1)', 'builtins.isInt', '(builtins.add 1)', 'builtins.toString', '(x: [ x ])', '(_: true)', '(x: throw "thrown")', '(args@{ ... }: args)'])
      case 'path': return this.pick(['/n/a/b/c/d/e/f/g', '/n/a/b/c/d/e/f/h.x', '/n/a/b/c/d/e/../f/k'])
    }
  }

  /** Something of the language that may have any type. */
  private construct(type: Type, depth: number): string {
    const value = (): string => this.expression(type, depth)
    switch (this.upTo(17)) {
      case 0: return `if ${this.expression('bool', depth)} then ${value()} else ${value()}`
      case 1: return this.binding((name, inner) => `let ${name} = ${inner}; in`, type, depth)
      case 2: return this.binding((name, inner) => `let inherit ({ ${name} = ${inner}; }) ${name}; in`, type, depth)
      case 3: return this.binding((name, inner) => `with { ${name} = ${inner}; other = 1; };`, type, depth)
      case 4: return this.applied(type, depth)
      case 5: return `assert ${this.expression('bool', depth)}; ${value()}`
      case 6: return `{ a = ${value()}; }.a`
      case 7: return `${this.expression('set', depth)}.${this.pick(NAMES)} or ${value()}`
      case 8: return `builtins.head [ ${value()} ${this.any(depth)} ]`
      case 9: return `builtins.seq ${this.any(depth)} ${value()}`
      case 10: return `builtins.deepSeq ${this.any(depth)} ${value()}`
      case 11: return `(builtins.tryEval ${value()}).value`
      case 12: return `rec { a = ${value()}; b = a; "c" = b; }.${this.pick(['a', 'b', 'c'])}`
      case 13: return `builtins.getAttr ${this.pick(['"a"', '"b"'])} { a = ${value()}; }`
      case 14: return `builtins.elemAt [ ${value()} ${value()} ] ${this.pick(['0', '1', '2'])}`
      case 15: return `builtins.foldl' (v: w: ${value()}) ${value()} ${this.expression('list', depth)}`
      case 16: return `let a.b.c = ${value()}; in a.b.c`
      default: return `${value()} |> (v: ${this.within('v', type, () => this.expression(type, depth))})`
    }
  }

  private binding(open: (name: string, inner: string) => string, type: Type, depth: number): string {
    const name = this.pick(VARIABLES)
    const inner = this.pick(TYPES)
    const value = this.expression(inner, depth)
    return `${open(name, value)} ${this.within(name, inner, () => this.expression(type, depth))}`
  }

  private within(name: string, type: Type, make: () => string): string {
    const before = this.variables
    this.variables = [...before.filter((variable) => variable.name !== name), { name, type }]
    const made = make()
    this.variables = before
    return made
  }

  /** A function and what it is called with. */
  private applied(type: Type, depth: number): string {
    const name = this.pick(VARIABLES)
    const inner = this.pick(TYPES)
    const argument = this.expression(inner, depth)
    const body = this.within(name, inner, () => this.expression(type, depth))
    switch (this.upTo(3)) {
      case 0: return `(${name}: ${body}) ${argument}`
      case 1: return `({ ${name} ? ${this.expression(inner, depth)}, ... }: ${body}) { ${this.chance(0.7) ? `${name} = ${argument};` : ''} ${this.chance(0.3) ? 'z = 1;' : ''} }`
      case 2: return `({ ${name}, k ? ${name} }@whole: ${body}) { ${name} = ${argument}; ${this.chance(0.2) ? 'k = 2;' : ''} }`
      default: return `{ __functor = self: ${name}: ${body}; } ${argument}`
    }
  }

  private operation(type: Type, depth: number): string {
    switch (type) {
      case 'int': return this.integer(depth)
      case 'float': return this.float(depth)
      case 'bool': return this.boolean(depth)
      case 'string': return this.text(depth)
      case 'null': return this.pick(['null', 'builtins.fromJSON "null"', 'builtins.match "x" "y"', 'builtins.elemAt (builtins.match "(a)?(b)" "b") 0'])
      case 'list': return this.list(depth)
      case 'set': return this.set(depth)
      case 'function': return this.functionOf(depth)
      case 'path': return this.path(depth)
    }
  }

  private number(depth: number): string {
    return this.expression(this.chance(0.8) ? 'int' : 'float', depth)
  }

  private integer(depth: number): string {
    const int = (): string => this.expression('int', depth)
    return this.pick<() => string>([
      () => `${int()} + ${int()}`, () => `${int()} - ${int()}`, () => `${int()} * ${int()}`, () => `${int()} / ${int()}`, () => `- ${int()}`,
      () => `builtins.${this.pick(['add', 'sub', 'mul', 'div', 'bitAnd', 'bitOr', 'bitXor'])} ${int()} ${int()}`, () => `builtins.${this.pick(['ceil', 'floor'])} (1.0 * ${this.expression('float', depth)})`,
      () => `builtins.stringLength ${this.expression('string', depth)}`, () => `builtins.length ${this.expression('list', depth)}`, () => `builtins.compareVersions ${this.expression('string', depth)} ${this.expression('string', depth)}`,
      () => `builtins.foldl' (v: w: ${this.within('v', 'int', () => int())}) ${int()} ${this.expression('list', depth)}`, () => `builtins.fromJSON "${this.pick(['0', '-0', '12', '-7', '9223372036854775807', '1e2', '01', '1.0', '9223372036854775808'])}"`,
    ])()
  }

  private float(depth: number): string {
    const float = (): string => this.expression('float', depth)
    return this.pick<() => string>([
      () => `${float()} + ${this.number(depth)}`, () => `${this.number(depth)} * ${float()}`, () => `${float()} - ${this.number(depth)}`, () => `${float()} / ${this.number(depth)}`, () => `- ${float()}`,
      () => `builtins.fromJSON "${this.pick(['1.5', '1e3', '-2.25', '1E-2', '0.1e1', '-0.0', '1e400', '123456789012345678901234567890'])}"`, () => `(builtins.fromTOML "x = ${this.pick(['1.5', '1e3', '-0.0', '6.626e-34', '1_0.5'])}").x`,
    ])()
  }

  private boolean(depth: number): string {
    const bool = (): string => this.expression('bool', depth)
    const type = this.pick(TYPES)
    const same = (): string => this.expression(type, depth)
    return this.pick<() => string>([
      () => `${bool()} && ${bool()}`, () => `${bool()} || ${bool()}`, () => `${bool()} -> ${bool()}`, () => `! ${bool()}`, () => `${same()} == ${same()}`, () => `${same()} != ${this.any(depth)}`,
      () => `${same()} ${this.pick(['<', '>', '<=', '>='])} ${same()}`, () => `${this.number(depth)} ${this.pick(['<', '>', '<=', '>=', '=='])} ${this.number(depth)}`, () => `${this.expression('set', depth)} ? ${this.pick(NAMES)}`, () => `${this.expression('set', depth)} ? a.b`,
      () => `builtins.${this.pick(['isInt', 'isFloat', 'isString', 'isBool', 'isNull', 'isList', 'isAttrs', 'isFunction', 'isPath'])} ${this.any(depth)}`, () => `builtins.elem ${this.any(depth)} ${this.expression('list', depth)}`,
      () => `builtins.${this.pick(['all', 'any'])} (v: ${this.within('v', 'int', () => bool())}) ${this.expression('list', depth)}`, () => `builtins.hasAttr ${this.expression('string', depth)} ${this.expression('set', depth)}`,
      () => `(builtins.tryEval ${this.any(depth)}).success`, () => `builtins.lessThan ${same()} ${same()}`, () => `builtins.hasContext ${this.expression('string', depth)}`,
    ])()
  }

  private text(depth: number): string {
    const text = (): string => this.expression('string', depth)
    const int = (): string => this.expression('int', depth)
    const list = (): string => `[ ${this.many(3, () => text())} ]`
    return this.pick<() => string>([
      () => `${text()} + ${text()}`, () => `"x\${${text()}}y\${${text()}}"`, () => `''x \${${text()}} y''`, () => `toString ${this.any(depth)}`, () => `builtins.toJSON ${this.any(depth)}`, () => `builtins.toXML ${this.any(depth)}`, () => `builtins.typeOf ${this.any(depth)}`,
      () => `builtins.substring ${this.pick(['0', '1', '2', '10', int()])} ${this.pick(['0', '1', '3', '(-1)', int()])} ${text()}`, () => `builtins.concatStringsSep ${text()} ${list()}`, () => `builtins.concatStringsSep ${text()} ${this.expression('list', depth)}`,
      () => `builtins.replaceStrings [ ${text()} "a" "" ] [ ${text()} "X" ${this.pick(['""', '"-"'])} ] ${text()}`, () => `builtins.replaceStrings ${list()} ${list()} ${text()}`, () => `builtins.hashString "${this.pick(['md5', 'sha1', 'sha256', 'sha512'])}" ${text()}`,
      () => `baseNameOf ${text()}`, () => `dirOf "${this.pick(['a/b/c', '/a/b', '/a', 'a', '', 'a/', '/', './x'])}"`, () => `"a" + toString ${this.number(depth)}`, () => `builtins.unsafeDiscardStringContext ${text()}`, () => `builtins.elemAt (builtins.splitVersion ${text()}) 0`, () => `(builtins.parseDrvName ${text()}).${this.pick(['name', 'version'])}`,
      () => `builtins.concatStringsSep "," (builtins.attrNames ${this.expression('set', depth)})`, () => `builtins.throw ${text()}`.replace('builtins.throw', 'throw'), () => `builtins.convertHash { hash = builtins.hashString "sha256" ${text()}; hashAlgo = "sha256"; toHashFormat = "${this.pick(['base16', 'nix32', 'base64', 'sri'])}"; }`,
    ])()
  }

  private list(depth: number): string {
    const list = (): string => this.expression('list', depth)
    const fn = (type: Type): string => `(v: ${this.within('v', this.pick(['int', 'string']), () => this.expression(type, depth))})`
    return this.pick<() => string>([
      () => `[ ${this.many(4, () => this.any(depth))} ]`, () => `[ ${this.many(4, () => this.expression('int', depth))} ]`, () => `${list()} ++ ${list()}`, () => `map ${fn(this.pick(TYPES))} ${list()}`, () => `map ${this.expression('function', depth)} ${list()}`, () => `builtins.filter ${fn('bool')} ${list()}`,
      () => `builtins.genList ${fn(this.pick(TYPES))} ${this.pick(['0', '1', '3', '(-1)'])}`, () => `builtins.attrNames ${this.expression('set', depth)}`, () => `builtins.attrValues ${this.expression('set', depth)}`, () => `builtins.sort builtins.lessThan ${list()}`, () => `builtins.sort (v: w: ${this.pick(['v < w', 'v > w', 'true', 'false'])}) ${list()}`,
      () => `builtins.concatLists [ ${this.many(3, () => list())} ]`, () => `builtins.concatMap ${fn('list')} ${list()}`, () => `builtins.split "${this.pick(PATTERNS)}" ${this.expression('string', depth)}`, () => `builtins.match "${this.pick(PATTERNS)}" ${this.expression('string', depth)}`, () => `builtins.tail ${list()}`,
      () => `builtins.splitVersion ${this.expression('string', depth)}`, () => `builtins.catAttrs "a" ${list()}`, () => `(builtins.partition ${fn('bool')} ${list()}).${this.pick(['right', 'wrong'])}`, () => `builtins.fromJSON "${this.pick(['[]', '[1,2]', '[1,[2,{}]]', '[1 2]', '[null,true,\\"a\\\\u00e9\\"]'])}"`,
      () => `builtins.genericClosure { startSet = [ { key = ${this.expression('int', depth)}; } { key = 1; } ]; operator = v: if v.key < 3 && v.key >= 0 then [ { key = v.key + 1; } ] else [ ]; }`,
    ])()
  }

  private set(depth: number): string {
    const set = (): string => this.expression('set', depth)
    const member = (): string => `${this.pick(NAMES)}${this.chance(0.2) ? `.${this.pick(NAMES)}` : ''} = ${this.any(depth)};`
    return this.pick<() => string>([
      () => `{ ${this.many(4, member)} }`, () => `rec { ${this.many(3, member)} }`, () => `{ \${${this.expression('string', depth)}} = ${this.any(depth)}; ${this.chance(0.5) ? member() : ''} }`, () => `${set()} // ${set()}`, () => `builtins.mapAttrs (v: w: ${this.within('v', 'string', () => this.any(depth))}) ${set()}`,
      () => `builtins.listToAttrs [ ${this.many(3, () => `{ name = ${this.expression('string', depth)}; value = ${this.any(depth)}; }`)} ]`, () => `builtins.removeAttrs ${set()} [ ${this.many(2, () => this.expression('string', depth))} ]`, () => `builtins.intersectAttrs ${set()} ${set()}`,
      () => `builtins.groupBy (v: ${this.within('v', 'int', () => this.expression('string', depth))}) ${this.expression('list', depth)}`, () => `builtins.zipAttrsWith (v: w: ${this.within('w', 'list', () => this.any(depth))}) [ ${this.many(3, () => set())} ]`, () => `builtins.functionArgs ${this.expression('function', depth)}`,
      () => `builtins.parseDrvName ${this.expression('string', depth)}`, () => `builtins.tryEval ${this.any(depth)}`, () => `builtins.partition (v: ${this.within('v', 'int', () => this.expression('bool', depth))}) ${this.expression('list', depth)}`, () => `builtins.getContext ${this.expression('string', depth)}`,
      () => `builtins.fromTOML "${this.pick(['a = 1', 'a = \\"x\\"\\nb = [1, 2]', '[t]\\nx = true', 'a.b = 0x10', '[[t]]\\n[[t]]\\nx = 1', 'a = 1979-05-27', 'a = {b = 1, c = []}', 'a = \'lit\'', 'a = 1\\na = 2'])}"`, () => `builtins.fromJSON "${this.pick(['{}', '{\\"a\\":1,\\"b\\":{}}', '{\\"a\\":1,\\"a\\":2}', '{\\"\\":null}'])}"`,
      () => `let inherit (${set()}) ${this.pick(['a', 'b', 'x'])}; in { inherit ${this.pick(['a', 'b', 'x'])}; }`.replace(/inherit \(([^]*)\) (\w); in \{ inherit (\w); \}/, 'inherit ($1) $2; in { inherit $2; }'),
    ])()
  }

  private functionOf(depth: number): string {
    const name = this.pick(VARIABLES)
    return this.pick<() => string>([
      () => `${name}: ${this.within(name, this.pick(TYPES), () => this.any(depth))}`, () => `{ ${name} ? ${this.any(depth)}, ... }: ${this.within(name, 'int', () => this.any(depth))}`, () => `builtins.${this.pick(['add', 'sub', 'elem', 'concatStringsSep', 'lessThan', 'hasAttr'])} ${this.any(depth)}`, () => `{ a, b ? ${this.any(depth)} }@all: all`,
    ])()
  }

  private path(depth: number): string {
    return this.pick<() => string>([
      () => `${this.leaf('path')} + ${this.expression('string', depth)}`, () => `/n/a/b/c/d/e/f/\${${this.expression('string', depth)}}`, () => `dirOf ${this.expression('path', depth)}`, () => `${this.expression('path', depth)} + "/x"`, () => `${this.expression('path', depth)} + ${this.expression('path', depth)}`,
    ])()
  }
}
