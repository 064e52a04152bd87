/** Ring: cli. Firn's version, as package.json says. */
import { readFileSync } from 'node:fs'

export function firnVersion(): string {
  return (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version
}
