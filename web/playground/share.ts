/** Ring: web (playground). The whole state in a link: compressed, in the fragment, which browsers send to nobody. */
import { type Files, MAIN_FILE } from './protocol.ts'

export interface Shared {
  readonly files: Files
  readonly system: string
}

const PREFIX = '#1.'

/** A fragment with its `#`. */
export async function fragmentOf(shared: Shared): Promise<string> {
  const bytes = await through(new TextEncoder().encode(JSON.stringify(shared)), new CompressionStream('deflate-raw'))
  return PREFIX + btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

/** What a fragment holds; undefined where it is none of the playground's. */
export async function sharedOf(fragment: string): Promise<Shared | undefined> {
  if (!fragment.startsWith(PREFIX)) return undefined
  try {
    const text = atob(fragment.slice(PREFIX.length).replaceAll('-', '+').replaceAll('_', '/'))
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0))
    const value: unknown = JSON.parse(new TextDecoder().decode(await through(bytes, new DecompressionStream('deflate-raw'))))
    return isShared(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isShared(value: unknown): value is Shared {
  if (typeof value !== 'object' || value === null || !('files' in value) || !('system' in value)) return false
  const { files, system } = value
  return typeof system === 'string' && typeof files === 'object' && files !== null && MAIN_FILE in files && Object.values(files).every((text) => typeof text === 'string')
}

async function through(bytes: Uint8Array<ArrayBuffer>, stream: GenericTransformStream): Promise<Uint8Array> {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer())
}
