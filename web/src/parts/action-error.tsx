/** Ring: web. Why a button did not do what it says. */
import { ApiError } from '../api/client.ts'
import { sentence } from '../format.ts'

export function ActionError({ errors }: { readonly errors: readonly (Error | null)[] }) {
  const error = errors.find((one) => one !== null)
  if (!error) return null
  const missing = error instanceof ApiError && (error.status === 401 || error.status === 403)
  return <p className="action-error" role="alert">{missing ? `You may not do that: ${error.message.replace(/\.$/, '')}. Under Settings you can sign in as somebody who may.` : sentence(error.message)}</p>
}
