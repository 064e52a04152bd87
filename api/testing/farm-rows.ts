/** Rows as workers and workflows write them, for tests of what the API makes of them. */
import { sql } from 'kysely'
import type { EvaluationRequest } from '../../contract/evaluations.ts'
import type { NodeOutcome } from '../../contract/nodes.ts'
import type { Database } from '../../state/database.ts'

export const REQUEST: EvaluationRequest = { source: { kind: 'expression', text: '{ }', basePath: '/' }, attributes: [], arguments: {}, recurse: false, settings: { mode: 'restricted' }, dryRun: false, priority: 3 }

let count = 0
/** A base name that no other call gave. */
export function baseName(name: string): string {
  return `${String(++count).padStart(32, '0')}-${name}`
}

export interface NodeFields {
  readonly name: string
  /** Base name of its output; one of its own unless given. */
  readonly key?: string
  readonly kind?: 'derivation' | 'fetch'
  readonly system?: string
  readonly features?: readonly string[]
  readonly state?: string
  readonly outcome?: NodeOutcome
}

/** A node with a .drv and one output; gives its id, key and .drv path. */
export async function addNode(db: Database, fields: NodeFields): Promise<{ id: number; key: string; drvPath: string }> {
  const key = fields.key ?? baseName(fields.name)
  const drvPath = `/nix/store/${baseName(`${fields.name}.drv`)}`
  const { rows } = await sql<{ id: number }>`
    insert into node (key, kind, name, system, features, drv_path, outputs, state, outcome, run)
    values (${key}, ${fields.kind ?? 'derivation'}, ${fields.name}, ${fields.system ?? 'x86_64-linux'}, ${[...(fields.features ?? [])]}, ${drvPath}, ${JSON.stringify({ out: key })},
      ${fields.state ?? 'waiting'}, ${fields.outcome ? JSON.stringify(fields.outcome) : null}, 1) returning id`.execute(db)
  await sql`insert into derivation (drv_path, node_key) values (${drvPath}, ${key})`.execute(db)
  return { id: rows[0]!.id, key, drvPath }
}

export async function addInput(db: Database, node: string, input: string): Promise<void> {
  await sql`insert into node_input (node_key, input_key) values (${node}, ${input})`.execute(db)
}

export async function addEvaluation(db: Database, state = 'building'): Promise<number> {
  const { rows } = await sql<{ id: number }>`insert into evaluation (request, state) values (${JSON.stringify(REQUEST)}, ${state}) returning id`.execute(db)
  return rows[0]!.id
}

export async function addJob(db: Database, evaluationId: number, attr: string, node: { key: string; drvPath: string } | { error: string }): Promise<void> {
  if ('error' in node) {
    await sql`insert into job (evaluation_id, attr, attr_path, error, position) values (${evaluationId}, ${attr}, ${[attr]}, ${node.error}, '{"file": "/x.nix", "line": 3, "column": 5}')`.execute(db)
    return
  }
  await sql`insert into job (evaluation_id, attr, attr_path, name, system, drv_path, node_key, outputs)
    values (${evaluationId}, ${attr}, ${[attr]}, ${attr}, 'x86_64-linux', ${node.drvPath}, ${node.key}, ${JSON.stringify({ out: node.key })})`.execute(db)
  await sql`insert into demand (node_key, evaluation_id, reason) values (${node.key}, ${evaluationId}, 'job') on conflict do nothing`.execute(db)
  await sql`insert into evaluation_node (evaluation_id, node_key) values (${evaluationId}, ${node.key}) on conflict do nothing`.execute(db)
}

export async function addAttempt(db: Database, nodeId: number, fields: { number?: number; worker?: string; step?: string; ended?: boolean; outcome?: unknown } = {}): Promise<number> {
  const { rows } = await sql<{ id: number }>`
    insert into attempt (node_id, number, run, worker, step, ended_at, outcome)
    values (${nodeId}, ${fields.number ?? 1}, 1, ${fields.worker ?? 'w1'}, ${fields.step ?? 'building'}, ${fields.ended ? new Date() : null}, ${fields.outcome === undefined ? null : JSON.stringify(fields.outcome)}) returning id`.execute(db)
  return rows[0]!.id
}
