/**
 * Ring: fetchers. Which addresses to try for a file, in which order. Upstream: the `hashed-mirrors` setting of Nix; its
 * `mirror://` addresses are resolved by package sets themselves.
 */
import { formatHash, type Hash } from '../nix/hash.ts'
import type { DownloadSettings } from './interface.ts'

/** Hashed mirrors first (if the file's own hash is known), then each address after its mirrors. No address twice. */
export function candidates(urls: readonly string[], settings: Pick<DownloadSettings, 'mirrors' | 'hashedMirrors'>, flatHash?: Hash): string[] {
  const hashed = flatHash === undefined ? [] : settings.hashedMirrors.map((mirror) => `${mirror.replace(/\/*$/, '/')}${flatHash.algorithm}/${formatHash(flatHash, 'base16')}`)
  return [...new Set([...hashed, ...mirrored(urls, settings)])]
}

/** Each address after its mirrors. */
export function mirrored(urls: readonly string[], { mirrors }: Pick<DownloadSettings, 'mirrors'>): string[] {
  return [...new Set(urls.flatMap((url) => [...mirrorsOf(url, mirrors), url]))]
}

function mirrorsOf(url: string, mirrors: DownloadSettings['mirrors']): string[] {
  const beginning = Object.keys(mirrors).filter((prefix) => url.startsWith(prefix)).sort((left, right) => right.length - left.length)[0]
  return beginning === undefined ? [] : mirrors[beginning]!.map((mirror) => mirror + url.slice(beginning.length))
}
