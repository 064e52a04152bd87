/**
 * The schema of a database as text, for migrations/schema.sql: what a reader wants to look up, and what a reviewer sees change.
 * Made from the catalogue, since the embedded Postgres comes without pg_dump. It is not meant to be run.
 */
import type { Client } from 'pg'

const COLUMNS = `
  select c.relname as table, a.attname as column, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required,
    pg_get_expr(d.adbin, d.adrelid) as default, a.attidentity <> '' as identity
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
  where n.nspname = 'public' and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped and c.relname not like 'kysely_%'
  order by c.relname, a.attnum`
const CONSTRAINTS = `
  select c.relname as table, pg_get_constraintdef(k.oid) as text
  from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'public' and k.contype <> 'n' and c.relname not like 'kysely_%' order by c.relname, k.contype desc, k.conname`
const INDEXES = `
  select i.tablename as table, i.indexdef as text from pg_indexes i
  where i.schemaname = 'public' and i.tablename not like 'kysely_%'
    and not exists (select from pg_constraint k where k.conname = i.indexname) order by i.tablename, i.indexname`

/** Tables by name, with columns in their order, constraints and indexes. */
export async function dumpSchema(client: Client): Promise<string> {
  const columns = (await client.query<{ table: string; column: string; type: string; required: boolean; default: string | null; identity: boolean }>(COLUMNS)).rows
  const constraints = (await client.query<{ table: string; text: string }>(CONSTRAINTS)).rows
  const indexes = (await client.query<{ table: string; text: string }>(INDEXES)).rows
  const tables = [...new Set(columns.map(({ table }) => table))].map((table) => {
    const lines = [
      ...columns.filter((column) => column.table === table).map((column) => {
        const generated = column.identity ? ' generated always as identity' : column.default === null ? '' : ` default ${column.default}`
        return `  ${column.column} ${column.type}${column.required ? ' not null' : ''}${generated}`
      }),
      ...constraints.filter((constraint) => constraint.table === table).map(({ text }) => `  ${text}`),
    ]
    const after = indexes.filter((index) => index.table === table).map(({ text }) => `${text.replaceAll('public.', '')};\n`)
    return `CREATE TABLE ${table} (\n${lines.join(',\n')}\n);\n${after.join('')}`
  })
  return `-- Made from a migrated database; to make it anew: UPDATE_SCHEMA=1 node --test migrations/\n\n${tables.join('\n')}`
}
