/** Ring: web. What was evaluated: the request, and the inputs as they were. */
import type { Evaluation } from '../../../contract/api.ts'
import { Fact, Facts, PathLink, Section } from '../parts/basics.tsx'

export default function Inputs({ evaluation: { request, jobset } }: { readonly evaluation: Evaluation }) {
  const { source } = request
  return (
    <>
      {jobset && Object.keys(jobset.inputs).length > 0 && (
        <Section title="Inputs">
          <Facts>
            {Object.entries(jobset.inputs).map(([name, input]) => (
              <Fact key={name} name={name}>
                {input.kind}{input.url !== undefined && <> <code>{input.url}</code></>}{input.ref !== undefined && <> {input.ref}</>}{input.revision !== undefined && <> <code>{input.revision}</code></>}
                {input.value !== undefined && <> <code>{String(input.value)}</code></>}{input.storePath !== undefined && <> <PathLink path={input.storePath} /></>}
              </Fact>
            ))}
            {jobset.cause && <Fact name="Begun by">{jobset.cause.kind}{jobset.cause.by !== undefined && ` (${jobset.cause.by})`}{jobset.cause.pullRequest && <>: <a href={jobset.cause.pullRequest.url}>#{jobset.cause.pullRequest.number} {jobset.cause.pullRequest.title}</a></>}</Fact>}
          </Facts>
        </Section>
      )}
      <Section title="Request">
        <Facts>
          {source.kind === 'expression' && <Fact name="Expression"><pre tabIndex={0} aria-label="Expression">{source.text}</pre></Fact>}
          {source.kind === 'flake' && <Fact name="Flake"><code>{source.reference}</code></Fact>}
          {source.kind === 'file' && <Fact name="File"><code>{source.path}</code></Fact>}
          {source.kind === 'store' && <Fact name="Source"><PathLink path={source.storePath} /> {source.file}</Fact>}
          {source.kind === 'derivations' && <Fact name="Derivations"><ul>{source.drvPaths.slice(0, 50).map((path) => <li key={path}><PathLink path={path} /></li>)}</ul>{source.drvPaths.length > 50 && `and ${source.drvPaths.length - 50} more`}</Fact>}
          {request.attributes.length > 0 && <Fact name="Attributes">{request.attributes.map((attribute) => <code key={attribute}>{attribute} </code>)}</Fact>}
          {Object.entries(request.arguments).map(([name, { value }]) => <Fact key={name} name={`Argument ${name}`}><code>{value}</code></Fact>)}
          <Fact name="Mode">{request.settings.mode ?? 'as the farm says'}{request.dryRun && ', builds nothing'}</Fact>
          <Fact name="Priority">{request.priority}</Fact>
        </Facts>
      </Section>
      {jobset === null && <p className="note soft">This evaluation was submitted, not made by a jobset.</p>}
    </>
  )
}
