/** Ring: api. Pages of lists. A cursor is the key of the last item given, so that pages stay right while rows are added. */

export interface Page<Item> {
  readonly items: Item[]
  readonly next: string | null
}

/** A page of the rows read with `limit + 1`: one more than wanted says that there is a next page. */
export function pageOf<Row, Item>(rows: readonly Row[], limit: number, keyOf: (row: Row) => number | string, present: (row: Row) => Item): Page<Item> {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items: items.map(present), next: rows.length > limit && last !== undefined ? cursorOf(keyOf(last)) : null }
}

/** Ids stand as they are; a name in base 64, since it may hold anything. */
function cursorOf(key: number | string): string {
  return typeof key === 'number' ? String(key) : Buffer.from(key).toString('base64url')
}

/** The name in a cursor that its schema let pass. */
export function nameOfCursor(cursor: string | undefined): string | undefined {
  return cursor === undefined ? undefined : Buffer.from(cursor, 'base64url').toString('utf8').replaceAll('\0', '')
}

export function idOfCursor(cursor: string | undefined): number | undefined {
  return cursor === undefined ? undefined : Number(cursor)
}
