import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROUTES } from '../contract/api-routes.ts'
import { openApiDocument } from './openapi.ts'

interface Operation { operationId: string; security?: unknown[]; responses: Record<string, unknown>; parameters?: { name: string; in: string; required?: boolean }[] }

test('every route is described, with what may go wrong', () => {
  const document = openApiDocument('1.2.3', 'https://farm.example.org') as { openapi: string; paths: Record<string, Record<string, Operation>> }
  assert.match(document.openapi, /^3\.1/)
  const described = Object.entries(document.paths).flatMap(([path, operations]) => Object.entries(operations).map(([method, operation]) => ({ path, method, operation })))
  assert.deepEqual(described.map(({ operation }) => operation.operationId).sort(), Object.keys(ROUTES).sort())
  for (const { path, method, operation } of described) {
    const route = ROUTES[operation.operationId as keyof typeof ROUTES]
    assert.deepEqual([path, method], [route.path, route.method])
    for (const name of path.matchAll(/\{(\w+)\}/g)) assert.ok(operation.parameters?.some((parameter) => parameter.name === name[1] && parameter.in === 'path' && parameter.required), `${path} describes ${name[1]}`)
    assert.ok(operation.responses['500'])
    if (route.scope !== 'open') assert.ok(operation.responses['401'])
  }
})

test('all references of the document lead somewhere', () => {
  const document = openApiDocument('1.2.3', '/')
  const text = JSON.stringify(document)
  for (const [, reference] of text.matchAll(/"\$ref":"#\/([^"]*)"/g)) {
    const target = reference!.split('/').reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], document)
    assert.ok(target, `#/${reference} is not there`)
  }
})
