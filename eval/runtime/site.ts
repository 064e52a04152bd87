/** Ring: eval. Places in a source from which something is called, selected or forced; for messages. */
import { Location } from '../values/location.ts'
import type { SourceFile } from '../syntax/ast.ts'

export class Site extends Location {}

/** For calls that no source makes: builtins calling back. */
export const NO_SITE = new Site({ origin: { kind: 'string' }, text: '' }, -1)

/** The location to show for a site; undefined for calls without one. */
export function shownLocation(site: Location | undefined): Location | undefined {
  return site === undefined || site.offset < 0 ? undefined : site
}

export function siteOf(source: SourceFile, offset: number): Site {
  return new Site(source, offset)
}
