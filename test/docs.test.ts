import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { describe, it } from 'node:test'

const ROOT = resolve(import.meta.dirname, '..')

describe('documentation', () => {
  const pages = globSync(['*.md', 'docs/**/*.md', 'examples/**/*.md'], { cwd: ROOT })

  it('has links that lead somewhere', () => {
    const broken = pages.flatMap((page) => [...readFileSync(join(ROOT, page), 'utf8').matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map((match) => match[1]!)
      .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(resolve(ROOT, dirname(page), target)))
      .map((target) => `${page}: ${target}`))
    assert.deepEqual(broken, [])
  })

  it('is listed in the book', () => {
    const book = readFileSync(join(ROOT, 'docs/README.md'), 'utf8')
    const missing = pages.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md' && !book.includes(`(${page.slice('docs/'.length)})`))
    assert.deepEqual(missing, [])
  })
})
