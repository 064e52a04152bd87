/** The table in docs/design/rings.md and the lint's configuration say the same, and every top-level folder is in one of them. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'node:test'

const root = new URL('..', import.meta.url)
const OUTSIDE = ['infra', 'examples', 'bench', 'test', 'docs', 'bin', 'compat', 'node_modules']

interface Rule { name: string; to: { pathNot?: string } }

function tableOfDocs(): Map<string, string[]> {
  const text = readFileSync(new URL('docs/design/rings.md', root), 'utf8')
  const rows = [...text.matchAll(/^\| `(\w+)\/` \|[^|]*\| ([^|]*) \|$/gm)]
  return new Map(rows.map(([, ring, may]) => [ring!, [...may!.matchAll(/`(\w+)`/g)].map((match) => match[1]!).sort()]))
}

function tableOfLint(): Map<string, string[]> {
  const config = createRequire(import.meta.url)('../.dependency-cruiser.cjs') as { forbidden: Rule[] }
  const rules = config.forbidden.filter((rule) => rule.name.startsWith('ring-'))
  return new Map(rules.map((rule) => {
    const ring = rule.name.slice('ring-'.length)
    const allowed = rule.to.pathNot!.replace(/^\^\(|\)\/$/g, '').split('|')
    return [ring, allowed.filter((name) => name !== ring && name !== 'node_modules').sort()]
  }))
}

test('the documented rings are the enforced rings', () => {
  assert.deepEqual(Object.fromEntries([...tableOfLint()].sort()), Object.fromEntries([...tableOfDocs()].sort()))
})

test('every folder is a ring or stands outside on purpose', () => {
  const folders = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map((entry) => entry.name)
  const known = new Set([...tableOfDocs().keys(), ...OUTSIDE])
  assert.deepEqual(folders.filter((name) => !known.has(name)), [])
})
