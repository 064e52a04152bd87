/**
 * Ring: eval. What can be fetched, as attributes (`{ type = "github"; owner = …; }`) and as an address (`github:…`). Upstream counterpart:
 * src/libfetchers/{fetchers,git,github,tarball,path,indirect,mercurial}.cc.
 */
import { byBytes } from '../../nix/sorting.ts'
import { EvaluationError } from '../runtime/errors.ts'
import { requiredText, showAttributes, typeOfInput, without, type Input } from './attributes.ts'
import { SCHEMES, type Scheme } from './schemes.ts'
import type { ParsedUrl } from './url.ts'
import { BadUrl, printUrl } from './url.ts'

/** `requireTree`: an address without a known ending is a tarball, as inputs of flakes are; else it is a file. */
export function inputFromUrl(url: ParsedUrl, requireTree: boolean): Input {
  for (const scheme of SCHEMES.values()) {
    const input = scheme.fromUrl(url, requireTree)
    if (input !== undefined) return checked(input)
  }
  const hint = url.scheme === 'file+git' ? '; did you mean \'git+file\' instead of \'file+git\'?' : ''
  throw new EvaluationError('eval', `input '${printUrl(url)}' is unsupported${hint}`)
}

/** Throws for attributes that the type doesn't take; a type that nobody knows passes, and fails when it is used. */
export function inputFromAttributes(attributes: Input): Input {
  const type = attributes.get('type')
  if (typeof type !== 'string') throw new EvaluationError('eval', '\'type\' attribute to specify input scheme is required but not provided')
  const scheme = SCHEMES.get(type)
  if (scheme === undefined) return attributes
  for (const name of [...attributes.keys()].sort(byBytes)) {
    if (name !== 'type' && name !== '__final' && !scheme.attributes.has(name)) throw new EvaluationError('eval', `input attribute '${name}' not supported by scheme '${type}'`)
  }
  return checked(scheme.fromAttributes(attributes))
}

/** The kinds of the attributes that all types share. */
function checked(input: Input): Input {
  for (const [name, value] of input) {
    if ((name === 'ref' || name === 'type' || name === 'rev' || name === 'narHash') && typeof value !== 'string') throw new EvaluationError('eval', `input attribute '${name}' is not a string`)
    if ((name === 'revCount' || name === 'lastModified') && typeof value !== 'number') throw new EvaluationError('eval', `input attribute '${name}' is not an integer`)
  }
  return input
}

function schemeOf(input: Input): Scheme {
  const scheme = SCHEMES.get(typeOfInput(input))
  if (scheme === undefined) throw new EvaluationError('eval', `cannot show unsupported input '${showAttributes(input)}'`)
  return scheme
}

export function urlOfInput(input: Input): ParsedUrl {
  return schemeOf(input).toUrl(input)
}

/** As an address, with more in its query. */
export function showInput(input: Input, more: ReadonlyMap<string, string> = new Map()): string {
  const url = urlOfInput(input)
  return printUrl({ ...url, query: new Map([...more, ...url.query]) })
}

/** Whether its content can't change. */
export function isLocked(input: Input): boolean {
  return SCHEMES.get(typeOfInput(input))?.isLocked(input) ?? false
}

/** Whether it needs no registry. */
export function isDirect(input: Input): boolean {
  return typeOfInput(input) !== 'indirect'
}

/** The path of an input that lies beside the flake that names it. */
export function relativePathOf(input: Input): string | undefined {
  if (typeOfInput(input) !== 'path') return undefined
  const path = requiredText(input, 'path')
  return path.startsWith('/') ? undefined : path
}

/** Another branch, tag or revision of it. */
export function withOverrides(input: Input, ref: string | undefined, rev: string | undefined): Input {
  if (ref === undefined && rev === undefined) return input
  const override = SCHEMES.get(typeOfInput(input))?.override
  if (override === undefined) throw new EvaluationError('eval', `don't know how to set ${rev === undefined ? 'branch/tag name' : 'revision'} of input '${showInput(input)}' to '${rev ?? ref ?? ''}'`)
  return override(input, ref, rev)
}

export function equalInputs(a: Input, b: Input): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value)
}

/** Equal, whatever branch or revision `other` names. */
export function containsInput(input: Input, other: Input): boolean {
  return equalInputs(input, other) || equalInputs(input, without(other, 'ref', 'rev'))
}

/** Does something about a reference; what is wrong with an address becomes an error of the evaluation. */
export function evaluating<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof BadUrl) throw new EvaluationError('eval', error.message, { cause: error })
    throw error
  }
}
