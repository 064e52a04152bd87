/** Ring: api. Pages of lists. A cursor is the key of the last item given, so that pages stay right while rows are added. */
import { FirnError } from '../../contract/errors.ts'

export interface Page<Item> {
  readonly items: Item[]
  readonly next: string | null
}

/** A page of the rows read with `limit + 1`: one more than wanted says that there is a next page. */
export function pageOf<Row, Item>(rows: readonly Row[], limit: number, keyOf: (row: Row) => number | string, present: (row: Row) => Item): Page<Item> {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  const next = rows.length > limit && last !== undefined ? Buffer.from(String(keyOf(last))).toString('base64url') : null
  return { items: items.map(present), next }
}

export function textOfCursor(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined
  const text = /^[\w-]+$/.test(cursor) ? Buffer.from(cursor, 'base64url').toString('utf8') : ''
  if (text === '' || text.includes('\0') || text.includes('\uFFFD')) throw new FirnError('invalid-input', 'the cursor is not one that a page of this list gave')
  return text
}

export function idOfCursor(cursor: string | undefined): number | undefined {
  const text = textOfCursor(cursor)
  if (text === undefined) return undefined
  if (!/^\d{1,10}$/.test(text) || Number(text) > 2_147_483_647) throw new FirnError('invalid-input', 'the cursor is not one that a page of this list gave')
  return Number(text)
}
