/** Ring: web. Who you are here, and how the pages look. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState, useSyncExternalStore } from 'react'
import { ApiError, call } from '../api/client.ts'
import { currentToken, onTokenChange, signOut } from '../api/token.ts'
import { blocks, Copy, Fact, Facts, Failure, PageHead, Section } from '../parts/basics.tsx'
import { SignIn } from '../parts/sign-in.tsx'
import { applyTheme, currentTheme, type Theme } from '../theme.ts'

export function SettingsPage() {
  const client = useQueryClient()
  const token = useSyncExternalStore(onTokenChange, currentToken)
  const { data, error } = useQuery({ queryKey: ['status'], queryFn: ({ signal }) => call('getStatus', {}, signal) })
  const [theme, setTheme] = useState<Theme>(currentTheme)
  const choose = (next: Theme): void => {
    applyTheme(next)
    setTheme(next)
  }
  const leave = async (): Promise<void> => {
    signOut()
    await client.resetQueries()
  }
  return (
    <>
      <PageHead title="Settings" />
      <Section title="Signing in">
        {token === undefined
          ? <><p className="soft">{data ? 'This farm lets you in without a token. With one, you may do what its scopes allow.' : 'Sign in with a token.'}</p><SignIn /></>
          : <><p>You are signed in with a token that ends in <code>…{token.slice(-4)}</code>.</p><button type="button" className="button" onClick={() => { void leave() }}>Sign out</button></>}
      </Section>
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
