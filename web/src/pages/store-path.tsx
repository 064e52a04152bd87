/** Ring: web. A store path: what it is, what it needs and who needs it, how large its closure is, what is in it. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { addressOf, call, fetchFromFarm } from '../api/client.ts'
import { baseName, bytes, nameOfPath, plural } from '../format.ts'
import { Download } from '../parts/download.tsx'
import { Ago, blocks, Copy, Empty, Fact, Facts, Failure, PageHead, PathLink, Pending, Section } from '../parts/basics.tsx'

const route = getRouteApi('/store/$path')
/** Text that is shown; the rest can be downloaded. */
const SHOWN = 200_000

export function StorePathPage() {
  const { path } = route.useParams()
  const info = useQuery({ queryKey: ['path', path], queryFn: ({ signal }) => call('getPathInfo', { params: { path } }, signal) })
  const builds = useQuery({ queryKey: ['path', path, 'builds'], queryFn: ({ signal }) => call('listBuilds', { query: { path: `/nix/store/${path}`, limit: 5 } }, signal) })
  const referrers = useQuery({ queryKey: ['path', path, 'referrers'], enabled: info.isSuccess, queryFn: ({ signal }) => call('listReferrers', { params: { path } }, signal) })
  if (blocks(info.error, info.data)) return <Failure error={info.error} what="store path" />
  if (!info.data) return <Pending />
  const references = info.data.references.filter((one) => baseName(one) !== path)
  return (
    <>
      <PageHead title={nameOfPath(path)} above="Store path" below={<p><code className="whole-path">{info.data.path}</code> <Copy text={info.data.path} /></p>} />
      <Facts>
        <Fact name="Size">{bytes(info.data.narSize)}</Fact>
        <Fact name="Registered"><Ago time={info.data.registeredAt} />{info.data.ultimate ? ', made by this farm' : ', taken from elsewhere'}</Fact>
        {info.data.deriver && <Fact name="Made by"><PathLink path={info.data.deriver} /></Fact>}
        {builds.data && builds.data.items.length > 0 && <Fact name="Builds">{builds.data.items.map((build) => <Link key={build.id} to="/builds/$id" params={{ id: String(build.id) }} search={{}}>{build.name} ({build.id}) </Link>)}</Fact>}
        <Fact name="NAR hash"><code>{info.data.narHash}</code></Fact>
        {info.data.contentAddress && <Fact name="Content address"><code>{info.data.contentAddress}</code></Fact>}
        {info.data.signatures.length > 0 && <Fact name="Signed by">{info.data.signatures.map((one) => one.split(':')[0]).join(', ')}</Fact>}
      </Facts>
      <Files path={path} />
      <ClosurePicture path={path} />
      <div className="two-columns even">
        <Section title={`References (${references.length})`}>{references.length === 0 ? <Empty title="It refers to nothing else." /> : <ul className="rows">{references.map((one) => <li key={one} className="row"><PathLink path={one} /></li>)}</ul>}</Section>
        <Section title={`Referrers (${referrers.data?.total ?? '–'})`}>{blocks(referrers.error, referrers.data) ? <Failure error={referrers.error} what="referrers" /> : !referrers.data ? <Pending lines={3} /> : referrers.data.total === 0 ? <Empty title="Nothing here refers to it." /> : <ul className="rows">{referrers.data.paths.map((one) => <li key={one} className="row"><PathLink path={one} /></li>)}</ul>}</Section>
      </div>
    </>
  )
}

function Files({ path }: { readonly path: string }) {
  const { at = '' } = route.useSearch()
  const listing = useQuery({ queryKey: ['ls', path, at], queryFn: ({ signal }) => call('listDirectory', { params: { path }, query: { subpath: at } }, signal) })
  const folders = parts(at)
  const only = listing.data?.entries.length === 1 && listing.data.entries[0]!.name === '' ? listing.data.entries[0] : undefined
  return (
    <Section title="Files" aside={<nav aria-label="Folder"><Link from="/store/$path" to="." search={{}}>{nameOfPath(path)}</Link>{folders.map((part, index) => <span key={index}> / <Link from="/store/$path" to="." search={{ at: folders.slice(0, index + 1).join('/') }}>{part}</Link></span>)}</nav>}>
      {blocks(listing.error, listing.data) ? <Failure error={listing.error} what="folder" /> : !listing.data ? <Pending lines={3} /> : only
        ? only.type === 'symlink' ? <p>A symlink to <code>{only.target}</code></p> : <FileText path={path} at={at} size={only.size ?? 0} />
        : listing.data.entries.length === 0 ? <Empty title="The folder is empty." /> : (
          <ul className="rows files">
            {listing.data.entries.map((entry) => (
              <li key={entry.name} className="row file-row">
                <span className="soft note">{entry.type === 'directory' ? 'folder' : entry.type === 'symlink' ? 'link' : entry.executable ? 'program' : 'file'}</span>
                {entry.type === 'symlink' ? <span><code>{entry.name}</code> <span className="soft">→ <code>{entry.target}</code></span></span> : <Link className="row-link" from="/store/$path" to="." search={{ at: [...folders, entry.name].join('/') }}><code>{entry.name}{entry.type === 'directory' && '/'}</code></Link>}
                <span className="note soft right number">{entry.size !== undefined && bytes(entry.size)}</span>
              </li>
            ))}
          </ul>
        )}
    </Section>
  )
}

function parts(at: string): string[] {
  return at.split('/').filter((part) => part !== '')
}

function FileText({ path, at, size }: { readonly path: string; readonly at: string; readonly size: number }) {
  const address = addressOf('/api/v1/store/{path}/cat', { path }, { subpath: at })
  const { data, error } = useQuery({ queryKey: ['cat', path, at], queryFn: async ({ signal }) => (size === 0 ? '' : (await fetchFromFarm(address, { signal, headers: { range: `bytes=0-${SHOWN - 1}` } })).text()) })
  if (blocks(error, data)) return <Failure error={error} what="file" />
  if (data === undefined) return <Pending />
  return <>{/\u0000/.test(data.slice(0, 4000)) ? <Empty title="This file is not text." /> : <pre className="file" tabIndex={0} aria-label={`Text of ${at === '' ? path : at}`}>{data}</pre>}<p className="note soft">{bytes(size)}{size > SHOWN && `, of which the first ${bytes(SHOWN)} are shown`}. <Download address={address} name={parts(at).at(-1) ?? nameOfPath(path)}>Download</Download></p></>
}

function ClosurePicture({ path }: { readonly path: string }) {
  const { data, error } = useQuery({ queryKey: ['closure', path], queryFn: ({ signal }) => call('getClosure', { params: { path } }, signal) })
  if (blocks(error, data)) return <Section title="Closure"><Failure error={error} what="closure" /></Section>
  if (!data) return <Section title="Closure"><Pending lines={2} /></Section>
  const largest = [...data.paths].sort((a, b) => b.narSize - a.narSize)
  const shown = largest.slice(0, 24)
  const rest = largest.slice(24)
  const restBytes = rest.reduce((sum, one) => sum + one.narSize, 0)
  return (
    <Section title="Closure" aside={<>{plural(data.paths.length, 'path')}, {bytes(data.narBytes)}</>}>
      <ol className="closure" aria-label="Paths of the closure by size">
        {shown.map((one) => <li key={one.path}><span className="closure-bar" style={{ width: `${one.narSize / Math.max(1, largest[0]!.narSize) * 100}%` }} /><PathLink path={one.path} /><span className="note soft number">{bytes(one.narSize)}</span></li>)}
        {rest.length > 0 && <li><span className="closure-bar" style={{ width: `${Math.min(100, restBytes / Math.max(1, largest[0]!.narSize) * 100)}%` }} /><span className="soft">{plural(rest.length, 'smaller path')}</span><span className="note soft number">{bytes(restBytes)}</span></li>}
      </ol>
    </Section>
  )
}
