/** Ring: web (playground). Evaluates the playground's files with the farm's own evaluator, in a world in memory. Runs in the worker. */
import { Evaluator } from '../../eval/evaluator.ts'
import { Suspended } from '../../eval/io.ts'
import { MemoryIO } from '../../eval/memory-io.ts'
import { type Explained, explainCompiled } from '../../eval/compile/explain.ts'
import { autoCall } from '../../eval/runtime/auto-call.ts'
import { showError } from '../../eval/printing/errors.ts'
import { asEvaluationError } from '../../eval/runtime/errors.ts'
import { showType } from '../../eval/runtime/types.ts'
import { markMachine, restoreMachine } from '../../eval/runtime/machine.ts'
import { textOfByteString } from '../../nix/bytes.ts'
import { parseDerivation } from '../../nix/derivation.ts'
import { derivationName, parseStorePath } from '../../nix/store-path.ts'
import { type EvaluateRequest, type EvaluateResult, MAIN_FILE, type Problem, type ShownDerivation, type TreeNode } from './protocol.ts'
import { showValue } from './show-value.ts'
import { syntaxTree } from './syntax-tree.ts'

const FOLDER = '/playground'
const NIX_VERSION = '2.26.3'

export function evaluate({ id, files, system }: EvaluateRequest): EvaluateResult {
  const started = performance.now()
  const io = new MemoryIO()
  io.makeFolder('/tmp')
  for (const [name, text] of Object.entries(files)) io.writeFile(`${FOLDER}/${name}`, text)
  io.time = Math.floor(Date.now() / 1000)
  const evaluator = new Evaluator({
    io, workingFolder: FOLDER,
    settings: { currentSystem: system, nixVersion: NIX_VERSION, mode: 'impure', allowedUris: [], allowedPaths: [], searchPath: [], allowImportFromDerivation: true, showTrace: true },
  })
  const main = `${FOLDER}/${MAIN_FILE}`
  const result: { -readonly [K in keyof EvaluateResult]: EvaluateResult[K] } = { id, needs: [], derivations: [], traces: [], milliseconds: 0 }
  const mark = markMachine()
  try {
    const { expression, source } = evaluator.parseFile(main)
    const place = positions(source.text)
    result.syntax = asText(syntaxTree(expression), place)
    result.compiled = asText(explainCompiled(expression, evaluator.globals), place)
    const value = autoCall(new Map(), evaluator.evaluateFile(main))
    const shown = showValue(value)
    result.value = { text: textOfByteString(shown.text), type: textOfByteString(showType(value)) }
    result.needs = shown.needs.map(textOfByteString)
  } catch (error) {
    restoreMachine(mark)
    if (error instanceof Suspended) result.needs = [textOfByteString(error.need.key)]
    else result.problem = problemOf(error)
  }
  result.derivations = [...io.derivations].map(([drvPath, aterm]) => shownDerivation(drvPath, aterm))
  result.traces = io.traces
  result.milliseconds = performance.now() - started
  return result
}

function problemOf(thrown: unknown): Problem {
  const error = asEvaluationError(thrown)
  if (error === undefined) throw thrown
  // the innermost place in one of the playground's files
  const location = error.locations.find((one) => one.source.origin.kind === 'file' && one.source.origin.path.startsWith(`${FOLDER}/`))
  const origin = location?.source.origin
  return {
    kind: error.kind,
    message: textOfByteString(error.message),
    text: textOfByteString(showError(error, true)).replaceAll(`${FOLDER}/`, ''),
    ...(location !== undefined && origin?.kind === 'file' && { place: { file: origin.path.slice(FOLDER.length + 1), position: positions(location.source.text)(location.offset) } }),
  }
}

function shownDerivation(drvPath: string, aterm: string): ShownDerivation {
  const name = derivationName(parseStorePath(drvPath))
  const { outputs, system } = parseDerivation(aterm, name)
  return {
    drvPath, name, system: textOfByteString(system), aterm: textOfByteString(aterm),
    outputs: Object.fromEntries([...outputs].map(([output, one]) => [output, 'path' in one ? one.path : null])),
  }
}

/** Offsets into bytes as offsets into the editor's text. */
function positions(bytes: string): (offset: number) => number {
  const text = textOfByteString(bytes)
  if (text === bytes) return (offset) => offset
  return (offset) => textOfByteString(bytes.slice(0, offset)).length
}

function asText(node: Explained, place: (offset: number) => number): TreeNode {
  return {
    label: textOfByteString(node.label),
    ...(node.detail !== undefined && { detail: textOfByteString(node.detail) }),
    ...(node.position !== undefined && { position: place(node.position) }),
    children: node.children.map((child) => asText(child, place)),
  }
}
