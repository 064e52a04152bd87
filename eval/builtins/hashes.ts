/** Ring: eval. Hashes that expressions give for content. */
import { FormatError } from '../../nix/errors.ts'
import { formatHash, HASH_SIZE, parseHash, type Hash, type HashAlgorithm } from '../../nix/hash.ts'
import type { Evaluator } from '../evaluator.ts'
import { EvaluationError } from '../runtime/errors.ts'

/** The hash a text gives; an empty text is the hash of zeros, with a warning, so that a build tells the right one. */
export function hashOfSetting(evaluator: Evaluator, text: string, algorithm: HashAlgorithm | undefined): Hash {
  try {
    if (text !== '') return parseHash(text, algorithm)
    if (algorithm === undefined) throw new FormatError('empty hash requires explicit hash algorithm')
  } catch (error) {
    if (error instanceof FormatError) throw new EvaluationError('eval', error.message, { cause: error })
    throw error
  }
  const hash = { algorithm, bytes: new Uint8Array(HASH_SIZE[algorithm]) }
  evaluator.trace('warn', `found empty hash, assuming '${formatHash(hash, 'sri')}'`)
  return hash
}
