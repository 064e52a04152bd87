/** Ring: web. Who you are here, and how the pages look. */
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useId, useState, useSyncExternalStore } from 'react'
import { ApiError, call } from '../api/client.ts'
import { useSession, useSignIn } from '../api/session.ts'
import { currentToken, onIdentityChange } from '../api/token.ts'
import { ActionError } from '../parts/action-error.tsx'
import { blocks, Copy, Fact, Facts, Failure, PageHead, Pending, Section } from '../parts/basics.tsx'
import { SignIn } from '../parts/sign-in.tsx'
import { applyTheme, currentTheme, type Theme } from '../theme.ts'

export function SettingsPage() {
  const { data, error } = useQuery({ queryKey: ['status'], queryFn: ({ signal }) => call('getStatus', {}, signal) })
  const [theme, setTheme] = useState<Theme>(currentTheme)
  const choose = (next: Theme): void => {
    applyTheme(next)
    setTheme(next)
  }
  return (
    <>
      <PageHead title="Settings" />
      <Section title="Signing in"><Who /></Section>
      <Section title="Tokens"><p><Link to="/tokens">Tokens of this farm</Link> <span className="soft">are made, listed and revoked by who may administer it.</span></p></Section>
      <Section title="Looks">
        <fieldset className="choices"><legend className="visually-hidden">Theme</legend>
          {(['system', 'light', 'dark'] as const).map((one) => <label key={one} className="check"><input type="radio" name="theme" checked={theme === one} onChange={() => choose(one)} /> {one === 'system' ? 'As the system says' : one === 'light' ? 'Light' : 'Dark'}</label>)}
        </fieldset>
      </Section>
      <Section title="This farm">
        {error instanceof ApiError && error.status === 401 ? <p className="soft">It is shown to who has signed in.</p> : blocks(error, data) ? <Failure error={error} what="farm" /> : data && (
          <Facts>
            <Fact name="Version">{data.version}</Fact>
            <Fact name="Binary cache"><code>{location.origin}</code> <Copy text={location.origin} /></Fact>
            <Fact name="Public key">{data.publicKey === '' ? 'none: the farm does not sign' : <><code>{data.publicKey}</code> <Copy text={data.publicKey} /></>}</Fact>
            <Fact name="Use it"><code>nix build --extra-substituters {location.origin} --extra-trusted-public-keys {data.publicKey === '' ? '…' : data.publicKey}</code></Fact>
            <Fact name="API"><a href="/api/v1/openapi.json">/api/v1/openapi.json</a></Fact>
          </Facts>
        )}
      </Section>
    </>
  )
}

/** Who you are, and what that allows. */
function Who() {
  const { data, error } = useSession()
  const token = useSyncExternalStore(onIdentityChange, currentToken)
  const { out } = useSignIn()
  const leave = useMutation({ mutationFn: out })
  if (blocks(error, data)) return <Failure error={error} what="session" />
  if (!data) return <Pending lines={2} />
  if (data.kind === 'nobody') return <SignIn />
  if (data.kind === 'anybody') return <><p className="soft">This farm lets everybody in who reaches it. Signing in says who you are.</p><SignIn /></>
  return (
    <>
      {data.kind === 'token'
        ? <p>You are signed in with the token “{data.name}”, which ends in <code>…{token?.slice(-4)}</code>.</p>
        : <p>You are signed in as <strong>{data.displayName === null || data.displayName === '' ? data.name : `${data.displayName} (${data.name})`}</strong>.</p>}
      <p className="soft">You may {data.scopes.includes('administer') ? 'do everything' : data.scopes.join(', ')}{data.roles.map(({ project, scopes }) => `; in ${project}: ${scopes.join(', ')}`)}.{data.expiresAt !== null && ` Until ${new Date(data.expiresAt).toLocaleDateString('en', { day: 'numeric', month: 'long' })}.`}</p>
      <p><button type="button" className="button" disabled={leave.isPending} onClick={() => leave.mutate()}>Sign out</button></p>
      <ActionError errors={[leave.error]} />
      {data.kind === 'user' && data.signIn.password && <details><summary>Change your password</summary><ChangePassword /></details>}
    </>
  )
}

function ChangePassword() {
  const id = useId()
  const [old, setOld] = useState('')
  const [next, setNext] = useState('')
  const change = useMutation({
    mutationFn: () => call('changePassword', { body: { old, new: next } }),
    onSuccess: () => {
      setOld('')
      setNext('')
    },
  })
  return (
    <form className="fields" onSubmit={(event) => { event.preventDefault(); change.mutate() }}>
      <label htmlFor={`${id}-old`}>The one you have</label>
      <input id={`${id}-old`} className="field" type="password" autoComplete="current-password" value={old} onChange={(event) => setOld(event.target.value)} required />
      <label htmlFor={`${id}-new`}>The new one, of at least 12 characters</label>
      <input id={`${id}-new`} className="field" type="password" autoComplete="new-password" minLength={12} value={next} onChange={(event) => setNext(event.target.value)} required />
      <button type="submit" className="button" disabled={change.isPending}>Change it</button>
      <ActionError errors={[change.error]} />
      {change.isSuccess && <p role="status">It is changed. Your other sessions have ended.</p>}
    </form>
  )
}
