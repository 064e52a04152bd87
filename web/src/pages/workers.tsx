/** Ring: web. Workers: what they can do, how full they are, what they do. */
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { call } from '../api/client.ts'
import { useRefresh } from '../api/live.ts'
import { duration, plural, useNow } from '../format.ts'
import { Ago, blocks, Empty, Failure, PageHead, Pending } from '../parts/basics.tsx'

export function Workers() {
  const { data, error } = useQuery({ queryKey: ['workers'], queryFn: ({ signal }) => call('listWorkers', {}, signal) })
  useRefresh(['workers'], ({ kind }) => kind.startsWith('build.'), 1000)
  const now = useNow()
  return (
    <>
      <PageHead title="Workers" below={data && <p className="soft">{plural(data.items.filter(({ live }) => live).length, 'worker')} alive, {plural(data.items.filter(({ live }) => live).reduce((sum, { slots }) => sum + slots, 0), 'slot')}.</p>} />
      {blocks(error, data) ? <Failure error={error} what="workers" /> : data === undefined ? <Pending /> : data.items.length === 0
        ? <Empty title="No worker has ever joined."><p><code>firn up</code> starts one on this machine. On another, <code>firn worker</code> with the same database, Temporal and store joins this farm.</p></Empty>
        : (
          <ul className="workers">
            {data.items.map((worker) => (
              <li key={worker.id} className={worker.live ? 'worker' : 'worker gone'}>
                <div className="worker-head">
                  <h2>{worker.id}</h2>
                  <span className="note soft">{worker.host}</span>
                  <span className="right note">{worker.live ? <span className="tone-succeeded">alive</span> : <span className="tone-failed">last seen <Ago time={worker.seenAt} /></span>}</span>
                </div>
                <p className="note soft">{worker.systems.join(', ')}{worker.features.length > 0 && <> · {worker.features.join(', ')}</>}</p>
                <div className="slots" role="img" aria-label={`${worker.running.length} of ${worker.slots} slots taken`}>
                  {Array.from({ length: Math.min(worker.slots, 64) }, (_, index) => <span key={index} className={index < worker.running.length ? 'slot taken' : 'slot'} />)}
                </div>
                {worker.running.length === 0 ? <p className="note soft">Idle.</p> : (
                  <ul className="rows">
                    {worker.running.slice(0, 50).map((running) => (
                      <li key={running.buildId} className="row worker-row">
                        <Link className="row-link" to="/builds/$id" params={{ id: String(running.buildId) }} search={{}}>{running.name}</Link>
                        <span className="note soft">{running.step}</span>
                        <span className="note soft right number">{duration(now - Date.parse(running.startedAt))}</span>
                      </li>
                    ))}
                    {worker.running.length > 50 && <li className="row note soft">and {worker.running.length - 50} more</li>}
                  </ul>
                )}
              </li>
            ))}
          </ul>
        )}
    </>
  )
}
