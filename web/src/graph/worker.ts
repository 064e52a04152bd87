/** Ring: web. The worker that lays graphs out. */
import { type LayoutRequest, layOut } from './layout.ts'

// the type of a worker's scope is not in the library that pages are checked with
const scope = globalThis as unknown as { onmessage: ((event: MessageEvent<LayoutRequest>) => void) | null; postMessage(message: unknown): void }

scope.onmessage = ({ data }) => { scope.postMessage(layOut(data)) }
