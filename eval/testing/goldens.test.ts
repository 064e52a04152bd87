/**
 * Goldens: `goldens/*.nix` and what stock Nix 2.8 printed for each (`nix-instantiate --eval --strict --read-write-mode`), `failing/*.nix` and
 * our message. What does not pass yet lies in `notyetpassing/`, whose test fails when one starts to pass.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { byteStringOfBytes, textOfByteString } from '../../nix/bytes.ts'
import { printAmbiguous } from '../printing/print.ts'
import { showError } from '../printing/errors.ts'
import { forceDeep } from '../runtime/deep.ts'
import { attempt, AttemptHistory } from '../session/attempt.ts'
import { Evaluator, type SyntaxStore } from '../evaluator.ts'
import { memoryOf, SETTINGS } from './worlds.ts'

const ROOT = import.meta.dirname

interface Result { readonly ok: boolean; readonly text: string }

/** The same from text and from stored syntax. */
function evaluate(folder: string, file: string, showTrace: boolean): Result {
  const syntax = new MemorySyntax()
  const result = evaluateOnce(folder, file, showTrace, syntax)
  assert.deepEqual(evaluateOnce(folder, file, showTrace, syntax), result)
  return result
}

class MemorySyntax implements SyntaxStore {
  private readonly known = new Map<string, Uint8Array | undefined>()

  find(content: Uint8Array, folder: string): Uint8Array | undefined {
    return this.known.get(`${folder} ${byteStringOfBytes(content)}`)
  }

  add(content: Uint8Array, folder: string, write: () => Uint8Array | undefined): void {
    this.known.set(`${folder} ${byteStringOfBytes(content)}`, write())
  }
}

function evaluateOnce(folder: string, file: string, showTrace: boolean, syntax: SyntaxStore): Result {
  const io = memoryOf(join(ROOT, folder), '/golden')
  const evaluator = new Evaluator({ io, settings: SETTINGS, syntax })
  const outcome = attempt(new AttemptHistory(), () => forceDeep(evaluator.evaluateFile(`/golden/${file}`)))
  if (outcome.kind === 'suspended') return { ok: false, text: `suspended: ${outcome.needs.map((need) => need.key).join(' ')}` }
  if (outcome.kind === 'failed') return { ok: false, text: textOfByteString(showError(outcome.error, showTrace)) }
  return { ok: true, text: `${textOfByteString(printAmbiguous(outcome.value))}\n` }
}

function filesOf(folder: string): string[] {
  return existsSync(join(ROOT, folder)) ? readdirSync(join(ROOT, folder)).filter((name) => name.endsWith('.nix')).sort() : []
}

for (const file of filesOf('goldens')) {
  test(`golden ${file}`, () => {
    const expected = readFileSync(join(ROOT, 'goldens', file.replace(/nix$/, 'exp')), 'utf8')
    const { ok, text } = evaluate('goldens', file, false)
    assert.equal(normalised(text), normalised(expected))
    assert.ok(ok)
  })
}

for (const file of filesOf('failing')) {
  test(`failing ${file}`, () => {
    const { ok, text } = evaluate('failing', file, file.includes('trace'))
    assert.equal(ok, false)
    const path = join(ROOT, 'failing', file.replace(/nix$/, 'exp'))
    if (process.env['FIRN_ACCEPT'] === '1') writeFileSync(path, text)
    assert.equal(text, readFileSync(path, 'utf8'))
  })
}

for (const file of filesOf('notyetpassing')) {
  test(`not yet passing ${file}`, () => {
    const expected = readFileSync(join(ROOT, 'notyetpassing', file.replace(/nix$/, 'exp')), 'utf8')
    assert.notEqual(normalised(evaluate('notyetpassing', file, false).text), normalised(expected), 'passes now: move it to goldens/')
  })
}

/** Paths differ by where the files were evaluated; Nix 2.8 did not quote names that are no identifiers. */
function normalised(text: string): string {
  return text.replace(/\/[^\s"]*\/goldens\b|\/golden\b/g, '/golden').replace(/"([^"\\\s]+)" = /g, '$1 = ')
}
