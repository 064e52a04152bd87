/** Ring: web. A link to bytes of the farm. Who signed in with a token can't follow a plain one, since the browser would not send it. */
import { type MouseEvent, type ReactNode, useState, useSyncExternalStore } from 'react'
import { fetchFromFarm } from '../api/client.ts'
import { currentToken, onIdentityChange } from '../api/token.ts'

export function Download({ address, name, className, children }: { readonly address: string; readonly name: string; readonly className?: string; readonly children: ReactNode }) {
  const token = useSyncExternalStore(onIdentityChange, currentToken)
  const [state, setState] = useState<'idle' | 'reading' | 'failed'>('idle')
  const fetched = async (event: MouseEvent): Promise<void> => {
    event.preventDefault()
    setState('reading')
    try {
      // the browser keeps large ones on disk
      const url = URL.createObjectURL(await (await fetchFromFarm(address)).blob())
      Object.assign(document.createElement('a'), { href: url, download: name }).click()
      setTimeout(() => URL.revokeObjectURL(url), 60_000)
      setState('idle')
    } catch {
      setState('failed')
    }
  }
  return <a className={className} href={address} {...(token === undefined ? { target: '_blank', rel: 'noreferrer' } : { onClick: (event: MouseEvent) => { void fetched(event) } })}>{state === 'reading' ? 'Reading…' : state === 'failed' ? 'Could not be read' : children}</a>
}
