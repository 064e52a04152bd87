import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FirnError } from '../../contract/errors.ts'
import type { EvaluationSettings } from '../../contract/evaluations.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { permitted } from './evaluations.ts'

type Farm = ApiDependencies['settings']['evaluator']
const farm = { mode: 'restricted', allowedPaths: ['/srv/packages'], allowedUris: ['https://'] } as unknown as Farm
const EXPRESSION = { kind: 'expression', text: '1', basePath: '/' } as const
const forbidden = (settings: Partial<EvaluationSettings>, source: Parameters<typeof permitted>[1] = EXPRESSION): void => {
  assert.throws(() => permitted(settings, source, farm), (error) => error instanceof FirnError && error.kind === 'forbidden')
}

test('a submission sees what the farm lets it see where it says nothing', () => {
  assert.deepEqual(permitted({}, EXPRESSION, farm), { mode: 'restricted', allowedUris: ['https://'], restrictUris: true })
})

test('a submission may ask for less, never for more', () => {
  assert.equal(permitted({ mode: 'pure' }, EXPRESSION, farm).mode, 'pure')
  forbidden({ mode: 'impure' })
  forbidden({ allowedUris: ['ssh://'] })
  assert.deepEqual(permitted({ allowedUris: ['https://example.org/'] }, EXPRESSION, farm).allowedUris, ['https://example.org/'])
})

test('files of the machine only below the folders that are allowed', () => {
  permitted({}, { kind: 'file', path: '/srv/packages/default.nix' }, farm)
  permitted({ searchPath: [{ prefix: 'nixpkgs', path: '/nix/store/x' }, { prefix: 'n', path: 'https://example.org/n.tar.gz' }] }, EXPRESSION, farm)
  forbidden({}, { kind: 'file', path: '/srv/packages-secret/default.nix' })
  forbidden({}, { kind: 'file', path: '/srv/packages/../../etc/shadow' })
  forbidden({ searchPath: [{ prefix: '', path: '/etc' }] })
  forbidden({ allowedPaths: ['/'] })
  permitted({}, { kind: 'flake', reference: 'git+file:///srv/packages?dir=x', prefixes: [] }, farm)
  for (const reference of ['git+file:///etc', 'path:/etc', '/etc?dir=x', 'tarball+file:///etc/x', 'path:/srv/packages/../../etc']) forbidden({}, { kind: 'flake', reference, prefixes: [] })
})
