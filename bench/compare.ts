/**
 * The farm beside stock Nix at the same work, one after the other on the same machine, each with an empty store of its own. What counts
 * is the ratio: figures of other machines and other days differ by more than what is measured.
 *
 * The farm is up and has built one trivial derivation when the clock starts, as a farm is that runs; the time is that of `firn build`
 * from start to exit, its own start included, as that of nix-build is.
 */
import { cpus } from 'node:os'
import pg from 'pg'
import { runningFarm } from '../infra/embedded/state.ts'
import { type RunningFirn, startFirn } from '../test/support/firn.ts'
import { StockNix } from '../test/support/stock-nix.ts'

export interface Work {
  readonly name: string
  readonly file: string
  readonly attributes?: readonly string[]
  /** For `--argstr`. */
  readonly arguments?: Readonly<Record<string, string>>
  /** `evaluate` builds only what evaluation imports. */
  readonly mode: 'build' | 'evaluate'
  /** Every job of a set. */
  readonly recurse?: boolean
  /** `-j` of nix-build. */
  readonly jobs: number
}

export interface Account {
  /** Seconds from the evaluation's submission to its end, as the farm has it. */
  readonly evaluationSeconds: number
  readonly nodes: number
  readonly attempts: number
  /** Sums over nodes, in seconds: nodes overlap, so they exceed the wall time. */
  readonly sums: Readonly<Record<string, number>>
  /** Seconds that the evaluator computed, where it said. */
  readonly progress: Readonly<Record<string, unknown>>
}

export interface Comparison {
  readonly name: string
  readonly farmSeconds: number
  readonly stockSeconds: number | undefined
  readonly account: Account
}

export interface Sides {
  /** Seconds that stock Nix took, known already: then only the farm runs. */
  readonly stockSeconds?: number
  /** Settings of the farm, by dotted name. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Does the work on a fresh farm, then with stock Nix; throws where one of them fails. */
export async function compare(work: Work, sides: Sides = {}): Promise<Comparison> {
  const farm = await startFirn({ settings: sides.settings ?? {} })
  let farmSeconds: number
  let account: Account
  try {
    await must(farm, 'build', '-E', 'derivation { name = "warm"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; }', '-q')
    farmSeconds = await seconds(() => must(farm, 'build', work.file, ...attributesOf(work), '-q', ...(work.recurse ? ['-r'] : []), ...(work.mode === 'evaluate' ? ['--dry-run'] : [])))
    account = await accountOf(farm)
  } finally {
    await farm.stop()
  }
  if (sides.stockSeconds !== undefined) return { name: work.name, farmSeconds, stockSeconds: sides.stockSeconds, account }
  const stock = await StockNix.open()
  try {
    const stockSeconds = await seconds(() => (work.mode === 'evaluate'
      ? stock.must('nix-instantiate', work.file, ...attributesOf(work))
      : stock.build(work.file, ...attributesOf(work), '--keep-going', '-j', String(work.jobs))))
    return { name: work.name, farmSeconds, stockSeconds, account }
  } finally {
    await stock.close()
  }
}

export function report(comparisons: readonly Comparison[]): void {
  console.log(`${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.version}, ${new Date().toISOString().slice(0, 10)}`)
  console.table(comparisons.map(({ name, farmSeconds, stockSeconds, account: { nodes, evaluationSeconds } }) => ({
    'work': name, 'farm s': round(farmSeconds), 'stock Nix s': stockSeconds === undefined ? '' : round(stockSeconds),
    'farm / stock': stockSeconds === undefined ? '' : round(farmSeconds / stockSeconds), 'stock / farm': stockSeconds === undefined ? '' : round(stockSeconds / farmSeconds),
    'nodes': nodes, 'of it, evaluation s': round(evaluationSeconds), 'farm ms a node': nodes === 0 ? '' : Math.round(farmSeconds * 1000 / nodes),
    'stock ms a node': stockSeconds === undefined || nodes === 0 ? '' : Math.round(stockSeconds * 1000 / nodes),
  })))
  for (const { name, account: { sums, progress, attempts } } of comparisons) {
    console.log(`${name}: where the farm's time went, in seconds summed over ${attempts} attempts (which overlap)`)
    console.table([Object.fromEntries(Object.entries(sums).map(([step, value]) => [step, round(value)]))])
    if (Object.keys(progress).length > 0) console.log(`  the evaluator: ${JSON.stringify(progress)}`)
  }
}

function attributesOf(work: Work): string[] {
  return [...(work.attributes ?? []).flatMap((attribute) => ['-A', attribute]), ...Object.entries(work.arguments ?? {}).flatMap(([name, value]) => ['--argstr', name, value])]
}

async function must(farm: RunningFirn, ...args: string[]): Promise<void> {
  const { code, stderr } = await farm.run(...args)
  if (code !== 0) throw new Error(`firn ${args.join(' ')} ended with ${code}: ${stderr.slice(-4000)}`)
}

/** From the rows of the newest evaluation: attempts record what they spent in each step. */
async function accountOf(farm: RunningFirn): Promise<Account> {
  const client = new pg.Client({ connectionString: runningFarm(farm.home)!.endpoints.databaseUrl! })
  await client.connect()
  try {
    const { rows: [evaluation] } = await client.query<{ id: string; seconds: number; progress: Record<string, unknown> }>(
      'select id, extract(epoch from ended_at - created_at)::float8 as seconds, progress from evaluation order by id desc limit 1')
    const { rows: [nodes] } = await client.query<{ count: number; waiting: number; queued: number; running: number }>(`
      select count(*)::int as count,
        coalesce(sum(extract(epoch from coalesce(queued_at, started_at) - created_at)), 0)::float8 as waiting,
        coalesce(sum(extract(epoch from started_at - coalesce(queued_at, started_at))), 0)::float8 as queued,
        coalesce(sum(extract(epoch from ended_at - started_at)), 0)::float8 as running
      from node where started_at is not null and id in (select n.id from node n join evaluation_node e on e.node_key = n.key where e.evaluation_id = $1)`, [evaluation!.id])
    const { rows: steps } = await client.query<{ step: string; seconds: number }>(`
      select s.name as step, sum(s.value::float8) as seconds from attempt a join node n on n.id = a.node_id join evaluation_node e on e.node_key = n.key,
        jsonb_each_text(a.figures -> 'seconds') as s(name, value) where e.evaluation_id = $1 group by s.name order by s.name`, [evaluation!.id])
    const { rows: [attempts] } = await client.query<{ count: number }>(
      'select count(*)::int as count from attempt a join node n on n.id = a.node_id join evaluation_node e on e.node_key = n.key where e.evaluation_id = $1', [evaluation!.id])
    return {
      evaluationSeconds: evaluation!.seconds, nodes: nodes!.count, attempts: attempts!.count, progress: evaluation!.progress,
      sums: {
        'waiting for inputs': nodes!.waiting, 'queued': nodes!.queued, 'claimed to committed': nodes!.running,
        ...Object.fromEntries(steps.map(({ step, seconds: sum }) => [step, sum])),
      },
    }
  } finally {
    await client.end()
  }
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return (performance.now() - begun) / 1000
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
