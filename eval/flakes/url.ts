/**
 * Ring: eval. Addresses as flake references are written: RFC 3986 with what Nix allows beyond it. Upstream counterpart:
 * src/libutil/url.cc. Texts are byte strings.
 */

export interface ParsedUrl {
  readonly scheme: string
  /** `user:password@host:port` as written; undefined without `//`. */
  readonly authority: string | undefined
  /** Decoded. An absolute path begins with an empty segment. */
  readonly path: readonly string[]
  readonly query: ReadonlyMap<string, string>
  readonly fragment: string
}

/** Not an address, or one that its scheme doesn't take. */
export class BadUrl extends Error {
  readonly kind = 'bad-url'
}

const CHARACTERS = /^(?:[a-zA-Z0-9\-._~!$&'()*+,;=:@/?]|%[0-9a-fA-F]{2})*$/
const AUTHORITY = /^(?:(?:[a-zA-Z0-9\-._~!$&'()*+,;=:]|%[0-9a-fA-F]{2})*@)?(?:\[[0-9a-fA-F:.]+(?:%[a-zA-Z0-9.%-]+)?\]|(?:[a-zA-Z0-9\-._~!$&'()*+,;=]|%[0-9a-fA-F]{2})*)(?::[0-9]*)?$/

/** Throws BadUrl. Queries may have bare blanks and quotes, fragments a caret too. */
export function parseUrl(text: string): ParsedUrl {
  const match = /^([a-z][a-z0-9+.-]*):(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(text)
  if (match === null) throw new BadUrl(`'${text}' is not a valid URL`)
  const [, scheme, authority, path, query, fragment] = match as unknown as [string, string, string | undefined, string, string | undefined, string | undefined]
  const plain = [path, (query ?? '').replace(/[ "]/g, ''), (fragment ?? '').replace(/[ "^]/g, '')]
  if (!plain.every((part) => CHARACTERS.test(part)) || path.includes('?') || !AUTHORITY.test(authority ?? '')) throw new BadUrl(`'${text}' is not a valid URL`)
  const isFile = transportOf(scheme) === 'file'
  if (isFile && authority !== undefined && hostOf(authority) !== '') throw new BadUrl(`file:// URL '${text}' has unexpected authority '${authority}'`)
  return {
    scheme,
    authority,
    path: (isFile && path === '' ? '/' : path).split('/').map(percentDecode),
    query: decodeQuery(query ?? ''),
    fragment: percentDecode(fragment ?? ''),
  }
}

export function printUrl(url: ParsedUrl): string {
  const path = url.path.map((segment) => percentEncode(segment, ':@')).join('/')
  const query = [...url.query].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${percentEncode(name, ':@/?')}=${percentEncode(value, ':@/?')}`).join('&')
  const fragment = url.fragment === '' ? '' : `#${percentEncode(url.fragment, '')}`
  return `${url.scheme}:${url.authority === undefined ? '' : `//${url.authority}`}${path}${query === '' ? '' : `?${query}`}${fragment}`
}

/** The path as a file's name; throws where a segment holds what no file's name can. */
export function pathOfUrl(url: ParsedUrl): string {
  for (const segment of url.path) if (/[/\0]/.test(segment)) throw new BadUrl(`URL path segment '${segment}' is not a valid file name`)
  return url.path.join('/')
}

/** Of `git+https`: `https`. */
export function transportOf(scheme: string): string {
  return scheme.slice(scheme.indexOf('+') + 1)
}

/** Of `git+https`: `git`; undefined for a plain scheme. */
export function applicationOf(scheme: string): string | undefined {
  const plus = scheme.indexOf('+')
  return plus < 0 ? undefined : scheme.slice(0, plus)
}

function hostOf(authority: string): string {
  return authority.slice(authority.lastIndexOf('@') + 1).replace(/:[0-9]*$/, '')
}

export function percentDecode(text: string): string {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) throw new BadUrl(`invalid URI parameter '${text}'`)
  return text.replace(/%([0-9a-fA-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
}

function percentEncode(text: string, kept: string): string {
  let encoded = ''
  for (const char of text) encoded += /[a-zA-Z0-9\-._~]/.test(char) || kept.includes(char) ? char : `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
  return encoded
}

/** Parts without an equals sign are passed over; the first of equal names counts. */
export function decodeQuery(text: string): Map<string, string> {
  const query = new Map<string, string>()
  for (const part of text.split('&')) {
    const equals = part.indexOf('=')
    if (equals < 0) continue
    const name = percentDecode(part.slice(0, equals))
    if (!query.has(name)) query.set(name, percentDecode(part.slice(equals + 1)))
  }
  return query
}
