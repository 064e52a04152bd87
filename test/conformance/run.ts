/**
 * `npm run conformance -- [NAME [arguments]]`: long comparisons with other implementations, which `npm test` leaves out. Without a name it
 * lists them.
 */
import { spawn } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const [name, ...args] = process.argv.slice(2)
const files = readdirSync(import.meta.dirname).filter((file) => /\.(ts|sh)$/.test(file) && !file.endsWith('.test.ts') && !['run.ts', 'expected.ts', 'set-comparison.ts'].includes(file))
const file = files.find((one) => one.replace(/\.(ts|sh)$/, '') === name)
if (file === undefined) {
  console.error(`${name === undefined ? 'name one of' : `there is no '${name}'; there are`}:`)
  for (const one of files) console.error(`  ${one.replace(/\.(ts|sh)$/, '').padEnd(18)} ${summary(one)}`)
  process.exit(2)
}
const path = join(import.meta.dirname, file)
const [program, leading] = file.endsWith('.sh') ? ['sh', [path]] : [process.execPath, ['--disable-warning=ExperimentalWarning', path]]
spawn(program, [...leading, ...args], { stdio: 'inherit' }).once('error', (error) => {
  console.error(error.message)
  process.exit(1)
}).once('close', (code) => process.exit(code ?? 1))

/** The first sentence of a file's opening comment. */
function summary(one: string): string {
  const text = readFileSync(join(import.meta.dirname, one), 'utf8').replace(/^#!.*\n/, '').replace(/^\/\*\*/, '')
  const lines = text.split('\n').map((line) => line.replace(/^\s*[*#]\s?/, '').trim())
  return lines.join(' ').trim().split(/[.:]\s/)[0]!.slice(0, 120)
}
