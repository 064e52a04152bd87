/**
 * Random expressions, evaluated by Firn and by Nix 2.26: what one gives the other must give, and what fails in one must fail in the other.
 *
 *   npm run conformance -- differential [--seed NUMBER] [--cases NUMBER] [--messages]
 *
 * Shows the differences with both values, shortest first. `npm test` runs 20,000 cases of one seed. `--messages` counts and shows where both
 * fail with another message. The default seed is the time.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { differences, firnResults, stockResults, type Difference } from '../../eval/testing/differential/compare.ts'
import { ExpressionGenerator } from '../../eval/testing/differential/generator.ts'
import { nixReference } from '../../infra/setup/nix-reference.ts'

const { values } = parseArgs({ options: { seed: { type: 'string' }, cases: { type: 'string', default: '20000' }, messages: { type: 'boolean', default: false } } })
const seed = Number(values.seed ?? Date.now() % 2 ** 32)
const nix = join(nixReference(), 'nix')
const generator = new ExpressionGenerator(seed)
const expressions = Array.from({ length: Number(values.cases) }, () => generator.next())
const [stock, firn] = [stockResults(nix, expressions, 'hash'), firnResults(expressions, 'hash')]
const found = differences(expressions, stock, firn).sort((a, b) => a.expression.length - b.expression.length)
const shown = found.slice(0, 20).map((one) => one.expression)
const [theirs, ours] = [stockResults(nix, shown, 'description'), firnResults(shown, 'description')]
shown.forEach((expression, i) => console.log(`${expression}\n  stock ${theirs[i]?.kind}: ${theirs[i]?.text}\n  Firn  ${ours[i]!.kind}: ${ours[i]!.text}`))
const crashes = expressions.filter((_, i) => stock[i] === undefined)
for (const expression of crashes.slice(0, 5)) console.log(`ends stock Nix: ${expression}`)
const failures = stock.filter((result) => result?.kind === 'failure').length
const other: Difference[] = expressions.flatMap((expression, i) => (stock[i]?.kind === 'failure' && firn[i]!.kind === 'failure' && stock[i].text !== firn[i]!.text ? [{ expression, stock: stock[i], firn: firn[i]! }] : []))
if (values.messages) for (const one of other.sort((a, b) => a.expression.length - b.expression.length).slice(0, 20)) console.log(`${one.expression}\n  stock: ${one.stock.text}\n  Firn:  ${one.firn.text}`)
console.log(`seed ${seed}: ${expressions.length} cases, ${expressions.length - failures - crashes.length} values, ${failures} failures (${other.length} with another message), ${crashes.length} that end stock Nix, ${found.length} differences`)
process.exitCode = found.length === 0 ? 0 : 1
