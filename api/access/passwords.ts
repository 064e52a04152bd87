/** Ring: api. Passwords, as the database keeps them: scrypt, with its parameters and salt beside the hash, so that the parameters may grow. */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import pLimit from 'p-limit'
import { FirnError } from '../../contract/errors.ts'

/** 32 MiB and some 80 ms a guess. */
const COST = { N: 2 ** 15, r: 8, p: 1 } as const
const HASH_BYTES = 32
/** Node's threads also read files: guesses may not take them all, nor queue up without end. */
const limit = pLimit(2)
const WAITING = 32

interface Parameters {
  readonly N: number
  readonly r: number
  readonly p: number
}

async function derive(password: string, salt: Uint8Array, { N, r, p }: Parameters): Promise<Buffer> {
  if (limit.pendingCount >= WAITING) throw new FirnError('exhausted', 'too many people sign in at once; try again in some seconds')
  return await limit(() => new Promise<Buffer>((resolve, reject) => {
    scrypt(password.normalize('NFKC'), salt, HASH_BYTES, { N, r, p, maxmem: 256 * N * r }, (error, key) => (error ? reject(error) : resolve(key)))
  }))
}

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const hash = await derive(password, salt, COST)
  return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64url'), hash.toString('base64url')].join('$')
}

/** Whether it is the password; `kept` undefined (no such user) takes as long and says no. */
export async function verifyPassword(password: string, kept: string | undefined): Promise<boolean> {
  const [kind, N, r, p, salt, hash] = kept?.split('$') ?? []
  if (kind !== 'scrypt' || salt === undefined || hash === undefined) {
    await derive(password, Buffer.alloc(16), COST)
    return false
  }
  return timingSafeEqual(await derive(password, Buffer.from(salt, 'base64url'), { N: Number(N), r: Number(r), p: Number(p) }), Buffer.from(hash, 'base64url'))
}
