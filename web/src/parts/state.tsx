/** Ring: web. States, the one thing that colour is for: each has a word, a shape and a colour. */
import type { ReactNode } from 'react'

export type AnyState = 'waiting' | 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'evaluating' | 'building' | 'error' | 'found'

/** Which colour a state has. */
const TONE: Readonly<Record<AnyState, string>> = {
  waiting: 'waiting', queued: 'queued', running: 'running', evaluating: 'running', building: 'running', succeeded: 'succeeded', failed: 'failed', error: 'failed', cancelled: 'cancelled', found: 'waiting',
}
const WORD: Readonly<Record<AnyState, string>> = {
  waiting: 'waiting', queued: 'queued', running: 'running', evaluating: 'evaluating', building: 'building', succeeded: 'succeeded', failed: 'failed', error: 'evaluation error', cancelled: 'cancelled', found: 'found',
}

const SHAPE: Readonly<Record<string, ReactNode>> = {
  succeeded: <path d="M3 8.5 6.5 12 13 4.5" fill="none" stroke="currentColor" strokeWidth="2.2" />,
  failed: <path d="M4 4l8 8M12 4l-8 8" fill="none" stroke="currentColor" strokeWidth="2.2" />,
  running: <><circle cx="8" cy="8" r="5.5" fill="none" stroke="currentColor" strokeOpacity=".3" strokeWidth="2.2" /><path className="turning" d="M8 2.5A5.5 5.5 0 0 1 13.5 8" fill="none" stroke="currentColor" strokeWidth="2.2" /></>,
  queued: <path d="M8 2.5a5.5 5.5 0 1 0 .01 0M8 5v3.2l2.2 1.4" fill="none" stroke="currentColor" strokeWidth="1.8" />,
  waiting: <circle cx="8" cy="8" r="4.5" fill="none" stroke="currentColor" strokeWidth="1.8" strokeDasharray="2.6 2" />,
  cancelled: <path d="M8 2.5a5.5 5.5 0 1 0 .01 0M4.200 11.8l7.600-7.600" fill="none" stroke="currentColor" strokeWidth="1.8" />,
}

export function StateIcon({ state }: { readonly state: AnyState }) {
  return <svg className={`state-icon tone-${TONE[state]}`} viewBox="0 0 16 16" aria-hidden="true">{SHAPE[TONE[state]]}</svg>
}

export function State({ state, quiet }: { readonly state: AnyState; readonly quiet?: boolean }) {
  return <span className={quiet ? `state quiet tone-${TONE[state]}` : `state tone-${TONE[state]}`}><StateIcon state={state} />{WORD[state]}</span>
}

export interface Counts {
  readonly total?: number
  readonly errors?: number
  readonly found?: number
  readonly waiting: number
  readonly queued: number
  readonly running: number
  readonly succeeded: number
  readonly failed: number
}

/** Layers from the bottom up, in the order in which work settles. */
const LAYERS = [['succeeded', 'succeeded'], ['failed', 'failed'], ['errors', 'failed'], ['running', 'running'], ['queued', 'queued'], ['waiting', 'waiting'], ['found', 'waiting']] as const

/** Jobs by state as layers: an evaluation's core sample, lying or standing. */
export function Strata({ counts, standing, label }: { readonly counts: Counts; readonly standing?: boolean; readonly label?: string }) {
  const layers = LAYERS.map(([key, tone]) => ({ key, tone, value: counts[key] ?? 0 })).filter(({ value }) => value > 0)
  const words = layers.map(({ key, value }) => `${value} ${key === 'errors' ? 'evaluation errors' : key}`).join(', ')
  return (
    <span className={standing ? 'strata standing' : 'strata'} role="img" aria-label={`${label === undefined ? '' : `${label}: `}${words === '' ? 'no jobs yet' : words}`}>
      {layers.map(({ key, tone, value }) => <span key={key} className={`layer fill-${tone} layer-${key}`} style={{ flexGrow: value }} />)}
    </span>
  )
}
