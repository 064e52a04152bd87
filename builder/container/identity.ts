/**
 * Ring: builder. Who a build is outside of its container. Upstream: acquireUserLock (libstore/unix/user-lock.cc), its
 * auto-allocated users.
 *
 * Each build that runs at the same time gets two users of its own that own nothing else on the machine, so that builds
 * share no limits and whatever a build leaves behind tells whose it is. They need no entry in /etc/passwd.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { BUILD_GID, BUILD_UID, type Identity } from './oci-spec.ts'

/** Above what systemd gives to containers and Nix to builds, below 2³¹. */
const FIRST_ID = 0x71000000
const IDS_PER_OWNER = 1024
const OWNERS = 8192

export function isPrivileged(): boolean {
  return process.getuid?.() === 0
}

/** Slots are numbered from 0; two drivers of one machine have different owners and so, most likely, different users. */
export function identityOf(owner: string, slot: number, userNamespace: boolean): Identity {
  if (!userNamespace) return { userNamespace, rootUid: 0, rootGid: 0, buildUid: BUILD_UID, buildGid: BUILD_GID }
  const place = createHash('sha256').update(owner).digest().readUInt32LE() % OWNERS
  const first = FIRST_ID + place * IDS_PER_OWNER + (slot % (IDS_PER_OWNER / 2)) * 2
  return { userNamespace, rootUid: first, rootGid: first, buildUid: first + 1, buildGid: first + 1 }
}

/** The lowest free number. */
export class SlotPool {
  readonly #taken = new Set<number>()

  take(): number {
    let slot = 0
    while (this.#taken.has(slot)) slot++
    this.#taken.add(slot)
    return slot
  }

  give(slot: number): void {
    this.#taken.delete(slot)
  }
}

/** Makes a null device. */
export function deviceNode(path: string): void {
  execFileSync('mknod', ['-m', '666', path, 'c', '1', '3'])
}
