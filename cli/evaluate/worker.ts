/** The process that start.ts starts: what to do is in its environment, which expressions do not see. */
import type { EvaluateOptions } from './options.ts'
import { evaluateHere } from './run.ts'

const options = JSON.parse(process.env['FIRN_EVALUATE'] ?? 'null') as EvaluateOptions
delete process.env['FIRN_EVALUATE']
process.exitCode = evaluateHere(options)
