/** Ring: web. Evaluations in a list, and as a row of core samples: how much of each settled how. */
import { Link } from '@tanstack/react-router'
import type { Evaluation } from '../../../contract/api.ts'
import { duration, plural, useNow } from '../format.ts'
import { Ago } from './basics.tsx'
import { State, Strata } from './state.tsx'

/** What an evaluation is of, in a line. */
export function titleOf({ request, jobset }: Evaluation): string {
  if (jobset) return `${jobset.project}:${jobset.jobset}${jobset.variant === '' ? '' : ` ${jobset.variant}`}`
  const { source, attributes } = request
  const of = attributes.length === 0 ? '' : `${attributes.slice(0, 3).join(', ')}${attributes.length > 3 ? ` and ${attributes.length - 3} more` : ''} of `
  switch (source.kind) {
    case 'file': return of + source.path
    case 'store': return `${of}${source.storePath.slice(source.storePath.lastIndexOf('/') + 34)}${source.file === '' ? '' : `/${source.file}`}`
    case 'expression': return `${of}${source.text.replace(/\s+/g, ' ').slice(0, 80)}`
    case 'flake': return of + source.reference
    case 'derivations': return plural(source.drvPaths.length, 'derivation')
  }
}

export function EvaluationRow({ evaluation }: { readonly evaluation: Evaluation }) {
  const now = useNow(evaluation.endedAt === null ? 1000 : 60_000)
  const { jobs } = evaluation
  return (
    <li className="row evaluation-row">
      <Link className="row-link" to="/evaluations/$id" params={{ id: String(evaluation.id) }} search={{}}><span className="number soft">#{evaluation.id}</span> {titleOf(evaluation)}</Link>
      <State state={evaluation.state} />
      <Strata counts={jobs} label={`Jobs of evaluation ${evaluation.id}`} />
      <span className="number note soft right">{jobs.total === 0 ? '' : plural(jobs.total, 'job')}{jobs.failed + jobs.errors > 0 && <span className="tone-failed">{jobs.total === 0 ? '' : ', '}{jobs.failed + jobs.errors} failed</span>}</span>
      <span className="note soft right number">{evaluation.startedAt && duration((evaluation.endedAt ? Date.parse(evaluation.endedAt) : now) - Date.parse(evaluation.startedAt))}</span>
      <span className="note soft right"><Ago time={evaluation.createdAt} /></span>
    </li>
  )
}

/** The newest at the right. */
export function Cores({ evaluations }: { readonly evaluations: readonly Evaluation[] }) {
  const most = Math.max(1, ...evaluations.map(({ jobs }) => jobs.total))
  return (
    <ol className="cores" aria-label="Evaluations over time">
      {[...evaluations].reverse().map((evaluation) => (
        <li key={evaluation.id}>
          <Link to="/evaluations/$id" params={{ id: String(evaluation.id) }} search={{}} title={`#${evaluation.id} ${titleOf(evaluation)}`}>
            <span className="core" style={{ height: `${Math.max(6, Math.sqrt(evaluation.jobs.total / most) * 100)}%` }}><Strata standing counts={evaluation.jobs} label={`Evaluation ${evaluation.id}`} /></span>
          </Link>
        </li>
      ))}
    </ol>
  )
}
