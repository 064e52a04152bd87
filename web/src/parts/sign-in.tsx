/** Ring: web. Signing in: at a provider, with a name and a password, or with a token; whichever the farm has. */
import { type FormEvent, type ReactNode, useId, useState } from 'react'
import { ApiError } from '../api/client.ts'
import { useSession, useSignIn } from '../api/session.ts'

export function SignIn() {
  const { data } = useSession()
  const { password = false, openId = null } = data?.signIn ?? {}
  const here = location.pathname.startsWith('/ui/') ? location.pathname + location.search : '/ui/'
  return (
    <div className="sign-in">
      {openId !== null && <p><a className="button primary" href={`/api/v1/session/openid?to=${encodeURIComponent(here)}`}>Sign in with {openId.title}</a></p>}
      {password && <ByName />}
      {password || openId !== null ? <details><summary>With a token</summary><ByToken /></details> : <ByToken />}
    </div>
  )
}

function ByName() {
  const { byName } = useSignIn()
  const id = useId()
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  return (
    <Form send={() => byName(name.trim(), password)}>
      <label htmlFor={`${id}-name`}>Name</label>
      <input id={`${id}-name`} className="field" autoComplete="username" autoCapitalize="none" value={name} onChange={(event) => setName(event.target.value)} required />
      <label htmlFor={`${id}-password`}>Password</label>
      <input id={`${id}-password`} className="field" type="password" autoComplete="current-password" value={password} onChange={(event) => setPassword(event.target.value)} required />
    </Form>
  )
}

function ByToken() {
  const { byToken } = useSignIn()
  const id = useId()
  const [token, setToken] = useState('')
  const [keep, setKeep] = useState(false)
  return (
    <Form send={() => byToken(token.trim(), keep)}>
      <label htmlFor={`${id}-token`}>Token</label>
      <input id={`${id}-token`} className="field" type="password" autoComplete="off" value={token} onChange={(event) => setToken(event.target.value)} required aria-describedby={`${id}-help`} />
      <p id={`${id}-help`} className="note soft">An administrator makes one with <code>firn token create</code>. It is sent to this farm only.</p>
      <label className="check"><input type="checkbox" checked={keep} onChange={(event) => setKeep(event.target.checked)} /> Keep it on this device</label>
    </Form>
  )
}

function Form({ send, children }: { readonly send: () => Promise<void>; readonly children: ReactNode }) {
  const [problem, setProblem] = useState<string>()
  const [busy, setBusy] = useState(false)
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      await send()
    } catch (error) {
      setProblem(error instanceof ApiError ? error.message : 'The farm does not answer.')
    } finally {
      setBusy(false)
    }
  }
  return (
    <form className="fields" onSubmit={(event) => { void submit(event) }}>
      {children}
      <button type="submit" className="button primary" disabled={busy}>Sign in</button>
      {problem !== undefined && <p role="alert" className="tone-failed">{problem}</p>}
    </form>
  )
}
