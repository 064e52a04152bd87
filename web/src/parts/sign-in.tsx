/** Ring: web. Signing in with a token. */
import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useId, useState } from 'react'
import { ApiError, fetchFromFarm } from '../api/client.ts'
import { signIn } from '../api/token.ts'

export function SignIn() {
  const client = useQueryClient()
  const id = useId()
  const [token, setToken] = useState('')
  const [keep, setKeep] = useState(false)
  const [problem, setProblem] = useState<string>()
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    try {
      await fetchFromFarm('/api/v1/status', { headers: { authorization: `Bearer ${token.trim()}` } })
    } catch (error) {
      setProblem(error instanceof ApiError ? error.message : 'The farm does not answer.')
      return
    }
    signIn(token.trim(), keep)
    await client.resetQueries()
  }
  return (
    <form className="sign-in" onSubmit={(event) => { void submit(event) }}>
      <label htmlFor={`${id}-token`}>Token</label>
      <input id={`${id}-token`} className="field" type="password" autoComplete="current-password" value={token} onChange={(event) => setToken(event.target.value)} required aria-describedby={`${id}-help`} />
      <label className="check"><input type="checkbox" checked={keep} onChange={(event) => setKeep(event.target.checked)} /> Keep it on this device</label>
      <button type="submit" className="button primary">Sign in</button>
      <p id={`${id}-help`} className="note soft">An administrator makes one with <code>firn token create</code>. It is sent to this farm only.</p>
      {problem !== undefined && <p role="alert" className="tone-failed">{problem}</p>}
    </form>
  )
}
