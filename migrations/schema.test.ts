import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import pg from 'pg'

import { testDatabase } from '../test/support/database.ts'
import { dumpSchema } from './dump.ts'
import { migrate } from './run.ts'

const SCHEMA = new URL('./schema.sql', import.meta.url)

describe('migrations', async () => {
  const database = await testDatabase()

  it('give the schema of schema.sql', async () => {
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    const schema = await dumpSchema(client).finally(() => client.end())
    if (process.env['UPDATE_SCHEMA'] === '1') await writeFile(SCHEMA, schema)
    assert.equal(schema, await readFile(SCHEMA, 'utf8'), 'run UPDATE_SCHEMA=1 node --test migrations/ and commit the change')
  })

  it('do nothing where nothing is left to do', async () => {
    assert.deepEqual(await migrate(database.url), [])
  })

  it('are applied once when workers start together', async () => {
    const admin = new pg.Client({ connectionString: database.url })
    await admin.connect()
    await admin.query('create database together template template0')
    await admin.end()
    const url = new URL(database.url)
    url.pathname = '/together'
    const applied = await Promise.all(Array.from({ length: 4 }, () => migrate(url.href)))
    assert.deepEqual(applied.flat().length, new Set(applied.flat()).size)
    assert.ok(applied.flat().includes('0001_store'))
  })
})
