/** Ring: web. Tokens: who may do what over the API. A token is shown once, when it is made. */
import { AlertDialog } from '@base-ui/react/alert-dialog'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { type FormEvent, useId, useState } from 'react'
import type { ApiToken, TokenScope } from '../../../contract/token-routes.ts'
import { call } from '../api/client.ts'
import { useNow } from '../format.ts'
import { ActionError } from '../parts/action-error.tsx'
import { Ago, blocks, Copy, Empty, Failure, PageHead, Pending, Section } from '../parts/basics.tsx'
import { Chips } from '../parts/chips.tsx'

const route = getRouteApi('/tokens')
const SCOPES: readonly (readonly [TokenScope, string])[] = [
  ['read', 'see everything'], ['submit', 'evaluations and sources'], ['restart', 'run again, cancel, put to the front'], ['upload', 'to the binary cache'], ['configure', 'projects and jobsets'], ['administer', 'all of it, and tokens'],
]

export function TokensPage() {
  const { show = 'good' } = route.useSearch()
  const navigate = route.useNavigate()
  const now = useNow(60_000)
  const { data, error } = useQuery({ queryKey: ['tokens'], queryFn: ({ signal }) => call('listTokens', {}, signal) })
  const isGood = (token: ApiToken): boolean => token.revokedAt === null && (token.expiresAt === null || Date.parse(token.expiresAt) > now)
  const head = <PageHead title="Tokens" above={<Link to="/settings">Settings</Link>} below={<p className="soft">A token lets a person or a program use this farm. The farm keeps only a hash of each.</p>} />
  if (blocks(error, data)) return <>{head}<Failure error={error} what="tokens" /></>
  if (!data) return <>{head}<Pending /></>
  const shown = data.items.filter((token) => isGood(token) === (show === 'good'))
  return (
    <>
      {head}
      <NewToken />
      <Section title="Made so far" aside={<Chips label="Which" value={show} onChange={(value) => { void navigate({ search: { show: value === 'ended' ? 'ended' : undefined }, replace: true }) }} chips={[{ value: 'good', label: 'Good', count: data.items.filter(isGood).length }, { value: 'ended', label: 'Ended', count: data.items.filter((token) => !isGood(token)).length }]} />}>
        {shown.length === 0
          ? <Empty title={show === 'good' ? 'There is no token yet.' : 'None was revoked, and none has expired.'}>{show === 'good' && <p>Make one above, or with <code>firn token create</code> on the farm’s machine.</p>}</Empty>
          : <ul className="rows">{shown.map((token) => <TokenRow key={token.id} token={token} good={isGood(token)} />)}</ul>}
      </Section>
    </>
  )
}

function TokenRow({ token, good }: { readonly token: ApiToken; readonly good: boolean }) {
  return (
    <li className="row token-row">
      <strong>{token.name}</strong>
      <span className="note">{token.scopes.join(', ')}</span>
      <span className="note soft">made <Ago time={token.createdAt} />{token.usedAt === null ? ', never used' : <>, used <Ago time={token.usedAt} /></>}</span>
      <span className="note soft">{token.revokedAt !== null ? <>revoked <Ago time={token.revokedAt} /></> : token.expiresAt === null ? 'good for ever' : `${good ? 'good until' : 'expired'} ${new Date(token.expiresAt).toLocaleDateString('en', { day: 'numeric', month: 'short', year: 'numeric' })}`}</span>
      <span className="right">{good && <Revoke token={token} />}</span>
    </li>
  )
}

function Revoke({ token: { id, name } }: { readonly token: ApiToken }) {
  const client = useQueryClient()
  const revoke = useMutation({ mutationFn: () => call('revokeToken', { params: { id } }), onSuccess: () => client.invalidateQueries({ queryKey: ['tokens'] }) })
  return (
    <AlertDialog.Root>
      <AlertDialog.Trigger className="button small danger" aria-label={`Revoke ${name}`}>Revoke</AlertDialog.Trigger>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className="backdrop" />
        <AlertDialog.Popup className="dialog">
          <AlertDialog.Title>Revoke “{name}”?</AlertDialog.Title>
          <AlertDialog.Description className="soft">Whoever uses it is shut out within ten seconds. It can’t be made good again.</AlertDialog.Description>
          <ActionError errors={[revoke.error]} />
          <div className="dialog-actions"><AlertDialog.Close className="button">Keep it</AlertDialog.Close><button type="button" className="button danger" disabled={revoke.isPending} onClick={() => revoke.mutate()}>Revoke it</button></div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  )
}

function NewToken() {
  const client = useQueryClient()
  const id = useId()
  const [name, setName] = useState('')
  const [scopes, setScopes] = useState<readonly TokenScope[]>(['read'])
  const [days, setDays] = useState('90')
  const create = useMutation({
    mutationFn: () => call('createToken', { body: { name, scopes: [...scopes], ...(days !== '' && { days: Number(days) }) } }),
    onSuccess: () => {
      setName('')
      return client.invalidateQueries({ queryKey: ['tokens'] })
    },
  })
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    create.mutate()
  }
  return (
    <Section title="Make one">
      <form className="new-token" onSubmit={submit}>
        <label htmlFor={`${id}-name`}>What it is for</label>
        <input id={`${id}-name`} className="field" value={name} maxLength={100} required placeholder="the nightly job, my laptop" onChange={(event) => setName(event.target.value)} />
        <fieldset className="choices"><legend>What it allows</legend>
          {SCOPES.map(([scope, words]) => <label key={scope} className="check"><input type="checkbox" checked={scopes.includes(scope)} onChange={(event) => setScopes(SCOPES.map(([one]) => one).filter((one) => (one === scope ? event.target.checked : scopes.includes(one))))} /> {scope} <span className="soft note">{words}</span></label>)}
        </fieldset>
        <label htmlFor={`${id}-days`}>Good for</label>
        <select id={`${id}-days`} className="field" value={days} onChange={(event) => setDays(event.target.value)}><option value="7">a week</option><option value="90">90 days</option><option value="365">a year</option><option value="">ever</option></select>
        <button type="submit" className="button primary" disabled={create.isPending || scopes.length === 0}>Make the token</button>
        {scopes.length === 0 && <p className="note soft">A token that allows nothing is of no use: choose what it allows.</p>}
        <ActionError errors={[create.error]} />
      </form>
      {create.data && <div className="notice" role="status"><p><strong>“{create.data.token.name}” is made.</strong> Copy it now: it is not shown again.</p><p><code className="whole-path">{create.data.text}</code> <Copy text={create.data.text} label="Copy token" /></p></div>}
    </Section>
  )
}
