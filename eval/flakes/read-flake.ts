/** Ring: eval. What flake.nix says of itself, without computing anything. Upstream counterpart: readFlake in src/libflake/flake.cc. */
import type { Evaluator } from '../evaluator.ts'
import { showLocation } from '../printing/locations.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { machine } from '../runtime/machine.ts'
import { force, isDelayed } from '../runtime/thunk.ts'
import { isInt, isString, showType, textOf } from '../runtime/types.ts'
import type { Location } from '../values/location.ts'
import { Attributes, Lambda, PathValue, type Slot, type Value } from '../values/value.ts'
import type { Input, InputAttribute } from './attributes.ts'
import { flakeReferenceOf, parseFlakeReference, showFlakeReference, type FlakeReference } from './reference.ts'
import type { InputPath } from './lock-file.ts'

export interface FlakeInput {
  readonly reference: FlakeReference | undefined
  readonly isFlake: boolean
  /** From the root of the lock file. */
  readonly follows: InputPath | undefined
  /** Of its own inputs. */
  readonly overrides: ReadonlyMap<string, FlakeInput>
}

export interface FlakeFile {
  readonly inputs: ReadonlyMap<string, FlakeInput>
  /** How the flake itself is to be fetched. */
  readonly selfAttributes: Input
}

const KNOWN: ReadonlySet<string> = new Set(['description', 'inputs', 'outputs', 'nixConfig'])

/** `folder` holds the flake.nix; `reference` is for messages; `lockPath` is what `follows` starts from. */
export function readFlakeFile(evaluator: Evaluator, folder: string, reference: FlakeReference, lockPath: InputPath): FlakeFile {
  const file = `${folder}/flake.nix`
  const shown = showFlakeReference(reference)
  if (evaluator.files.status(evaluator.files.resolve(file)) === undefined) throw new EvaluationError('eval', `path '${file}' does not exist`)
  if (evaluator.parseFile(file).expression.kind !== 'attributes') throw new EvaluationError('eval', `file '${file}' must be an attribute set`)
  const flake = evaluator.evaluateFile(file) as Attributes
  const description = flake.get('description')
  if (description !== undefined) expectKind(description, 'a string', isString, flake.locationOf('description'))
  const inputsSlot = flake.get('inputs')
  const reader = new InputReader(folder, lockPath)
  const inputs = inputsSlot === undefined ? new Map<string, FlakeInput>() : reader.inputs(inputsSlot, flake.locationOf('inputs'), true)
  const outputs = flake.get('outputs')
  if (outputs === undefined) throw new EvaluationError('eval', `flake '${shown}' lacks attribute 'outputs'`)
  const outputsFunction = expectKind(outputs, 'a function', (value) => value instanceof Lambda, flake.locationOf('outputs')) as Lambda
  const { parameter } = outputsFunction.code
  for (const { name } of parameter.kind === 'pattern' ? parameter.formals : []) {
    if (name !== 'self' && !inputs.has(name)) inputs.set(name, { reference: parseFlakeReference(name), isFlake: true, follows: undefined, overrides: new Map() })
  }
  const nixConfig = flake.get('nixConfig')
  if (nixConfig !== undefined) expectKind(nixConfig, 'a set', (value) => value instanceof Attributes, flake.locationOf('nixConfig'))
  for (const name of flake.layout.names) {
    if (!KNOWN.has(name)) throw new EvaluationError('eval', `flake '${shown}' has an unsupported attribute '${name}', at ${showLocation(flake.locationOf(name))}`)
  }
  return { inputs, selfAttributes: reader.selfAttributes }
}

/** The value of a slot that needs no computing; fails for others and for values of another kind. */
function expectKind(slot: Slot, kind: string, matches: (value: Value) => boolean, location: Location | undefined): Value {
  const value = trivial(slot)
  if (value === undefined || !matches(value)) throw new EvaluationError('eval', `expected ${kind} but got ${value === undefined ? 'a thunk' : showType(value)} at ${showLocation(location)}`)
  return value
}

function trivial(slot: Slot): Value | undefined {
  return isDelayed(slot) && slot.code?.isTrivial !== true ? undefined : force(slot)
}

class InputReader {
  selfAttributes: Input = new Map()
  private readonly folder: string
  private readonly lockPath: InputPath

  constructor(folder: string, lockPath: InputPath) {
    this.folder = folder
    this.lockPath = lockPath
  }

  inputs(slot: Slot, location: Location | undefined, allowSelf: boolean): Map<string, FlakeInput> {
    const set = expectKind(slot, 'a set', (value) => value instanceof Attributes, location) as Attributes
    const inputs = new Map<string, FlakeInput>()
    for (const name of set.layout.names) {
      if (name !== 'self') inputs.set(name, this.input(set.get(name)!, set.locationOf(name)))
      else if (!allowSelf) throw new EvaluationError('eval', `'self' input attribute not allowed at ${showLocation(set.locationOf(name))}`)
      else {
        const self = expectKind(set.get(name)!, 'a set', (value) => value instanceof Attributes, set.locationOf(name)) as Attributes
        this.selfAttributes = new Map(self.layout.names.map((attribute) => [attribute, this.plain(self, attribute)]))
      }
    }
    return inputs
  }

  private input(slot: Slot, location: Location | undefined): FlakeInput {
    const set = expectKind(slot, 'a set', (value) => value instanceof Attributes, location) as Attributes
    const attributes = new Map<string, InputAttribute>()
    let [url, isFlake, follows, overrides] = [undefined as string | undefined, true, undefined as InputPath | undefined, new Map<string, FlakeInput>()]
    for (const name of set.layout.names) {
      const { depth } = machine
      const at = set.locationOf(name)
      try {
        if (name === 'url') attributes.set('url', (url = this.url(set.get(name)!, at)))
        else if (name === 'flake') isFlake = expectKind(set.get(name)!, 'a Boolean', (value) => typeof value === 'boolean', at) as boolean
        else if (name === 'inputs') overrides = this.inputs(set.get(name)!, at, false)
        else if (name === 'follows') follows = [...this.lockPath, ...textOf(expectKind(set.get(name)!, 'a string', isString, at) as string).split('/').filter((part) => part !== '')]
        else attributes.set(name, this.plain(set, name))
      } catch (error) {
        if (error instanceof EvaluationError) error.addTrace(`while evaluating flake attribute '${name}'`, at, depth)
        throw error
      }
    }
    return { reference: this.reference(attributes, url, isFlake, location), isFlake, follows, overrides }
  }

  private reference(attributes: Input, url: string | undefined, isFlake: boolean, location: Location | undefined): FlakeReference | undefined {
    if (attributes.has('type')) return flakeReferenceOf(attributes)
    const other = [...attributes.keys()].find((name) => name !== 'url')
    if (other !== undefined) throw new EvaluationError('eval', `unexpected flake input attribute '${other}', at ${showLocation(location)}`)
    return url === undefined ? undefined : parseFlakeReference(url, { isFlake, relative: true })
  }

  private url(slot: Slot, location: Location | undefined): string {
    const value = trivial(slot)
    if (value !== undefined && isString(value)) return textOf(value)
    if (!(value instanceof PathValue)) throw new EvaluationError('eval', `expected a string or a path but got ${value === undefined ? 'a thunk' : showType(value)} at ${showLocation(location)}`)
    return `path:${relativePath(this.folder, value.path)}`
  }

  private plain(set: Attributes, name: string): InputAttribute {
    const value = trivial(set.get(name)!)
    if (value !== undefined && isString(value)) return textOf(value)
    if (typeof value === 'boolean') return value
    if (value === undefined || !isInt(value)) throw new EvaluationError('type', `flake input attribute '${name}' is ${value === undefined ? 'a thunk' : showType(value)} while a string, Boolean, or integer is expected`)
    if (value < 0) throw new EvaluationError('eval', `negative value given for flake input attribute ${name}: ${value}`)
    return Number(value)
  }
}

/** From a folder to a path: `./x`, `../y`. */
function relativePath(from: string, to: string): string {
  const [start, end] = [from.split('/'), to.split('/')]
  let common = 0
  while (common < start.length && common < end.length && start[common] === end[common]) common++
  return ['.', ...start.slice(common).map(() => '..'), ...end.slice(common)].join('/').replace(/^\.\/\.\./, '..')
}
