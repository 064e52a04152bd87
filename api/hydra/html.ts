/**
 * Ring: api. Minimal pages under Hydra's addresses, for programs that read its HTML and for people who follow old links; everything else is in
 * the dashboard below /ui/. Upstream counterpart: Hydra's templates, of which hydra-check reads tables by element ids and column order.
 */
import { type Change, type JobChange } from '../../contract/comparison.ts'
import { type EvaluationRow, fatalError } from '../../state/evaluations.ts'
import type { JobCounts } from '../../state/job-states.ts'
import { epoch, isFinished, statusOf } from './present.ts'
import type { HydraBuildRow } from './queries.ts'

/** Text that is markup already. */
export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}
type Part = Html | string | number | null | readonly Html[]

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\'': '&#39;' }

/** Markup, whose values are escaped unless they are markup themselves. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  return new Html(strings.reduce((text, string, index) => text + string + (index < values.length ? rendered(values[index]!) : ''), ''))
}

function rendered(part: Part): string {
  if (part === null) return ''
  if (part instanceof Html) return part.text
  if (typeof part === 'object') return part.map((one) => one.text).join('')
  return String(part).replace(/[&<>"']/g, (character) => ENTITIES[character]!)
}

export const POLICY = 'default-src \'none\'; style-src \'unsafe-inline\'; img-src data:; frame-ancestors \'none\'; base-uri \'none\'; form-action \'none\''

export function page(title: string, ui: string, body: Html): string {
  return html`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title><style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:80rem}table{border-collapse:collapse}td,th{text-align:left;padding:.1rem .8rem .1rem 0}</style></head>
<body><h1>${title}</h1><p><a href="${ui}">Show this in the dashboard</a></p>
${body}
</body></html>
`.text
}

/** What hydra-check shows where there is no table. */
export function alert(message: string): Html {
  return html`<div class="alert alert-error">${message}</div>`
}

const STATUS: Readonly<Record<number, string>> = { 0: 'Succeeded', 1: 'Failed', 2: 'Dependency failed', 3: 'Aborted', 4: 'Cancelled', 6: 'Failed with output', 7: 'Timed out', 8: 'Cached failure', 9: 'Aborted', 10: 'Log limit exceeded', 11: 'Output size limit exceeded' }
/** An image without a file: programs read its title, people its text. */
const DOT = 'data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22/%3E'

function time(date: Date | null): Html {
  if (date === null) return html``
  const iso = date.toISOString().replace(/\.\d+/, '')
  return html`<time class="date" data-timestamp="${epoch(date)}" datetime="${iso}" title="${iso}">${iso.slice(0, 16).replace('T', ' ')}</time>`
}

function cells(build: HydraBuildRow, job: Html): Html {
  if (!isFinished(build)) return html`<tr><td><span>Queued</span></td><td><a href="/build/${build.id}">${build.id}</a></td>${job}<td>${time(build.createdAt)}</td><td>${build.name}</td><td><tt>${build.system}</tt></td></tr>`
  const status = STATUS[statusOf(build) ?? 1] ?? 'Failed'
  return html`<tr><td><img src="${DOT}" alt="${status}" title="${status}"></td><td><a href="/build/${build.id}">${build.id}</a></td>${job}<td>${time(build.endedAt ?? build.createdAt)}</td><td>${build.name}</td><td><tt>${build.system}</tt></td></tr>`
}

function buildTable(rows: readonly Html[], withJob: boolean): Html {
  return html`<table><thead><tr><th></th><th>#</th>${withJob ? html`<th>Job</th>` : null}<th>Finished at</th><th>Package/release name</th><th>System</th></tr></thead><tbody>${rows}</tbody></table>`
}

/** Builds of one job: five columns. */
export function jobBuilds(builds: readonly HydraBuildRow[]): Html {
  return buildTable(builds.map((build) => cells(build, html``)), false)
}

const TABS: readonly (readonly [id: string, change: Change, title: string])[] = [
  ['aborted', 'aborted', 'Aborted'], ['now-fail', 'newly-failing', 'Newly failing'], ['now-succeed', 'fixed', 'Newly succeeding'], ['new', 'added', 'New'],
  ['removed', 'removed', 'Removed'], ['still-fail', 'still-failing', 'Still failing'], ['still-succeed', 'still-succeeding', 'Still succeeding'], ['unfinished', 'unfinished', 'Queued'],
]

export interface EvaluationPage {
  readonly evaluation: EvaluationRow
  readonly inputs: Html
  readonly changes: readonly JobChange[]
  readonly builds: readonly HydraBuildRow[]
  readonly errors: readonly { readonly attr: string; readonly error: string }[]
}

/** The tabs of Hydra's page, one below the other; an empty one is left out, as there. */
export function evaluationBody({ evaluation, inputs, changes, builds, errors }: EvaluationPage): Html {
  const byJob = new Map(builds.map((build) => [build.job, build]))
  const base = `/job/${evaluation.project}/${evaluation.jobset}`
  const tabs = TABS.flatMap(([id, change, title]) => {
    const rows = changes.filter((one) => one.change === change).flatMap((one) => {
      const job = html`<td><a href="${base}/${encodeURIComponent(one.attr)}">${one.attr}</a></td>`
      if (change === 'removed') return [html`<tr>${job}<td><tt>${one.system}</tt></td></tr>`]
      const build = byJob.get(one.attr)
      return build ? [cells(build, job)] : []
    })
    if (rows.length === 0) return []
    return [html`<div id="tabs-${id}"><h2>${title} (${rows.length})</h2>${change === 'removed' ? html`<table><thead><tr><th>Job</th><th>System</th></tr></thead><tbody>${rows}</tbody></table>` : buildTable(rows, true)}</div>
`]
  })
  const fatal = fatalError(evaluation)
  const failed = errors.length === 0 && fatal === null ? html`` : html`<div id="tabs-errors"><h2>Errors</h2>${fatal === null ? null : html`<pre>${fatal}</pre>`}${errors.map(({ attr, error }) => html`<pre>in job ‘${attr}’:
${error}</pre>`)}</div>`
  return html`${tabs}${failed}<div id="tabs-inputs"><h2>Inputs</h2>${inputs}</div>`
}

/** Five columns: name, type, what, revision, store path. */
export function inputTable(evaluation: EvaluationRow): Html {
  const rows = Object.entries(evaluation.inputs).map(([name, input]) => html`<tr><td><tt>${name}</tt></td><td>${input.kind === 'git' ? 'Git checkout' : input.kind}</td><td><tt>${input.url ?? String(input.value ?? input.buildId ?? '')}</tt></td><td>${input.revision ?? ''}</td><td><tt>${input.storePath ?? ''}</tt></td></tr>`)
  return html`<table><thead><tr><th>Name</th><th>Type</th><th>What</th><th>Revision</th><th>Store path</th></tr></thead><tbody>${rows}</tbody></table>`
}

export function changedInputs(changes: readonly { readonly name: string; readonly before: string | null; readonly now: string | null }[]): Html {
  const rows = changes.map(({ name, before, now }) => html`<tr><td><tt>${name}</tt></td><td>${(before ?? 'nothing').slice(0, 12)} to ${(now ?? 'nothing').slice(0, 12)}</td></tr>`)
  return html`<table><thead><tr><th>Input</th><th>Changes</th></tr></thead><tbody>${rows}</tbody></table>`
}

export interface EvaluationLine {
  readonly evaluation: EvaluationRow
  readonly counts: JobCounts
  readonly before: JobCounts | undefined
}

/** Seven columns: number, time, what changed, succeeded, failed, queued, difference. */
export function evaluationTable(lines: readonly EvaluationLine[]): Html {
  const rows = lines.map(({ evaluation, counts, before }) => {
    const [queued, delta] = [counts.total - counts.errors - counts.succeeded - counts.failed, before === undefined ? 0 : counts.succeeded - before.succeeded]
    const state = { failed: fatalError(evaluation) === null ? '' : 'Eval Errors', cancelled: 'Cancelled' }[evaluation.state as string] ?? ''
    const [name, input] = Object.entries(evaluation.inputs).find(([, one]) => one.revision !== undefined) ?? ['', undefined]
    return html`<tr><td><a href="/eval/${evaluation.id}">${evaluation.id}</a></td><td>${time(evaluation.createdAt)}</td><td>${name} → <tt>${input?.revision?.slice(0, 7) ?? ''}</tt> ${state === '' ? null : html`<span>${state}</span>`}</td><td>${counts.succeeded}</td><td>${counts.failed}</td><td>${queued === 0 ? '' : queued}</td><td>${delta === 0 ? '' : delta > 0 ? `+${delta}` : delta}</td></tr>`
  })
  return html`<table><thead><tr><th>#</th><th>Date</th><th>Input changes</th><th>Success</th><th>Failure</th><th>Queued</th><th>Difference</th></tr></thead><tbody>${rows}</tbody></table>`
}

export function links(items: readonly (readonly [text: string, address: string])[]): Html {
  return html`<ul>${items.map(([text, address]) => html`<li><a href="${address}">${text}</a></li>`)}</ul>`
}
