/** Ring: web. Calls of the farm's API, typed by the contract; errors are the farm's own problems. */
import type { Problem } from '../../../contract/api.ts'
import type { RouteRequest, RouteResponse } from '../../../contract/api-routes.ts'
import { ADDRESSES, type CalledRoute } from './routes.ts'
import { authorization } from './token.ts'

/** What the farm answered that was not what was asked for. */
export class ApiError extends Error {
  readonly status: number
  readonly problem: Problem | undefined
  constructor(status: number, problem: Problem | undefined, message: string) {
    super(message)
    this.name = 'ApiError'
    this.status = status
    this.problem = problem
  }
}

/** No answer at all. */
export class ConnectionError extends Error {
  constructor(cause: unknown) {
    super('the farm does not answer', { cause })
    this.name = 'ConnectionError'
  }
}

interface Parts {
  readonly params?: Readonly<Record<string, string | number>>
  readonly query?: Readonly<Record<string, unknown>>
  readonly body?: unknown
}

export async function call<Name extends CalledRoute>(name: Name, request: RouteRequest<Name>, signal?: AbortSignal): Promise<RouteResponse<Name>> {
  const [method, path] = ADDRESSES[name]
  const { params, query, body } = request as Parts
  const response = await fetchFromFarm(addressOf(path, params, query), {
    method: method.toUpperCase(),
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  })
  return await response.json() as RouteResponse<Name>
}

/** A response that is there; throws the others. */
export async function fetchFromFarm(address: string, options: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(address, { ...options, headers: { ...authorization(), ...options.headers } })
  } catch (error) {
    if (options.signal?.aborted) throw error
    throw new ConnectionError(error)
  }
  if (response.ok) return response
  const isProblem = /problem\+json/.test(response.headers.get('content-type') ?? '')
  const problem = isProblem ? await response.json() as Problem : undefined
  throw new ApiError(response.status, problem, problem?.detail ?? `the farm answered ${response.status}`)
}

export function addressOf(path: string, params: Parts['params'] = {}, query: Parts['query'] = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_match, name: string) => encodeURIComponent(String(params[name])))
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== '') search.set(name, String(value))
  return search.size === 0 ? filled : `${filled}?${search}`
}
