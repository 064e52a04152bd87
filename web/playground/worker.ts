/** Ring: web (playground). The worker in which everything is evaluated: the page stays quick, and a loop without end is stopped by ending it. */
import { evaluate } from './evaluate.ts'
import type { EvaluateRequest } from './protocol.ts'

// the type of a worker's scope is not in the library that pages are checked with
const scope = globalThis as unknown as { onmessage: ((event: MessageEvent<EvaluateRequest>) => void) | null; postMessage(message: unknown): void }

scope.onmessage = ({ data }) => { scope.postMessage(evaluate(data)) }
