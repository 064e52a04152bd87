/** Ring: eval. Locations in messages. */
import { originName } from '../syntax/position.ts'
import { inGuillemets } from './guillemets.ts'
import type { Location } from '../values/location.ts'

/** `file:line:column`. */
export function showLocation(location: Location | undefined): string {
  if (location === undefined) return inGuillemets('none')
  const { line, column } = location.place
  return `${originName(location.source)}:${line}:${column}`
}
