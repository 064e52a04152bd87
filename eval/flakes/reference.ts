/**
 * Ring: eval. Flake references: an input and a folder in it. Upstream counterpart: src/libflake/flakeref.cc. Names on this machine
 * (`.#hello`) are made absolute by whoever reads a command line (cli/evaluate/flake-argument.ts).
 */
import { EvaluationError } from '../runtime/errors.ts'
import { textAttribute, withAttributes, without, type Input, type InputAttribute } from './attributes.ts'
import { equalInputs, evaluating, inputFromAttributes, inputFromUrl, showInput } from './input.ts'
import { BadUrl, decodeQuery, parseUrl, percentDecode, printUrl, type ParsedUrl } from './url.ts'

export interface FlakeReference {
  readonly input: Input
  /** Folder that flake.nix is in; empty for the root. */
  readonly folder: string
}

const REVISION = '[0-9a-fA-F]{40}'
const REF = '[a-zA-Z0-9@][a-zA-Z0-9_./@+-]*'
const FLAKE_ID = new RegExp(`^([a-zA-Z][a-zA-Z0-9_-]*(?:/(?:${REVISION}|${REF}(?:/${REVISION})?))?)(?:#(.*))?$`)

/** Throws an EvaluationError. `isFlake`: what has no known ending is an archive. `relative`: paths need not be absolute. */
export function parseFlakeReference(text: string, options: { readonly isFlake?: boolean; readonly relative?: boolean } = {}): FlakeReference {
  const { reference, fragment } = parseFlakeReferenceWithFragment(text, options)
  if (fragment !== '') throw new EvaluationError('eval', `unexpected fragment '${fragment}' in flake reference '${text}'`)
  return reference
}

export function parseFlakeReferenceWithFragment(text: string, { isFlake = true, relative = false }: { readonly isFlake?: boolean; readonly relative?: boolean } = {}): { readonly reference: FlakeReference; readonly fragment: string } {
  return evaluating(() => {
    const id = FLAKE_ID.exec(text)
    if (id !== null) return fromUrl({ scheme: 'flake', authority: undefined, path: id[1]!.split('/'), query: new Map(), fragment: percentDecode(id[2] ?? '') }, isFlake)
    let address: ParsedUrl | undefined
    try {
      address = parseUrl(text)
    } catch (error) {
      if (!(error instanceof BadUrl)) throw error
    }
    if (address !== undefined) {
      try {
        return fromUrl(address, isFlake)
      } catch (error) {
        // as Nix: what its type rejects may still be a path
        if (!(error instanceof BadUrl)) throw error
      }
    }
    return fromUrl(pathUrl(text, relative), isFlake)
  })
}

/** A path with a query and a fragment. */
function pathUrl(text: string, relative: boolean): ParsedUrl {
  const [, path, query, fragment] = /^([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(text)!
  if (!relative && !path!.startsWith('/')) throw new BadUrl(`flake reference '${text}' is not an absolute path`)
  return { scheme: 'path', authority: path!.startsWith('/') ? '' : undefined, path: path!.split('/'), query: decodeQuery(query ?? ''), fragment: percentDecode(fragment ?? '') }
}

function fromUrl(url: ParsedUrl, isFlake: boolean): { readonly reference: FlakeReference; readonly fragment: string } {
  const query = new Map(url.query)
  query.delete('dir')
  return { reference: { input: inputFromUrl({ ...url, query, fragment: '' }, isFlake), folder: url.query.get('dir') ?? '' }, fragment: url.fragment }
}

export function flakeReferenceOf(attributes: Input): FlakeReference {
  return evaluating(() => ({ input: inputFromAttributes(without(attributes, 'dir')), folder: textAttribute(attributes, 'dir') ?? '' }))
}

export function attributesOfReference({ input, folder }: FlakeReference): Input {
  return folder === '' ? input : new Map<string, InputAttribute>([...input, ['dir', folder]])
}

export function showFlakeReference({ input, folder }: FlakeReference): string {
  return evaluating(() => showInput(input, new Map(folder === '' ? [] : [['dir', folder]])))
}

export function equalReferences(a: FlakeReference, b: FlakeReference): boolean {
  const [left, right] = [canonical(a), canonical(b)]
  return left.folder === right.folder && equalInputs(left.input, right.input)
}

/** Old lock files have the folder in the address too. */
function canonical(reference: FlakeReference): FlakeReference {
  const text = textAttribute(reference.input, 'url')
  if (text === undefined || reference.folder === '') return reference
  try {
    const url = parseUrl(text)
    if (url.query.get('dir') !== reference.folder) return reference
    const query = new Map(url.query)
    query.delete('dir')
    return { ...reference, input: withAttributes(reference.input, { url: printUrl({ ...url, query }) }) }
  } catch (error) {
    if (error instanceof BadUrl) return reference
    throw error
  }
}
