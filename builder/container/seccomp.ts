/**
 * Ring: builder. The system calls that a build may not use. Upstream: setupSeccomp in
 * libstore/linux/build/linux-derivation-builder.cc.
 *
 * Everything is allowed but two families: what would make setuid or setgid files, and extended attributes, which a NAR
 * can't hold. libseccomp skips names that it doesn't know (`fchmodat2` before 2.5.5), so outputs are canonicalised
 * afterwards in any case and live in folders that no other user can enter while the build runs.
 */
const SETUID = 0o4000
const SETGID = 0o2000
const EPERM = 1
const ENOTSUP = 95

interface SyscallRule {
  readonly names: readonly string[]
  readonly action: 'SCMP_ACT_ERRNO'
  readonly errnoRet: number
  readonly args?: readonly { readonly index: number; readonly value: number; readonly valueTwo: number; readonly op: 'SCMP_CMP_MASKED_EQ' }[]
}

export interface SeccompProfile {
  readonly defaultAction: 'SCMP_ACT_ALLOW'
  readonly architectures: readonly string[]
  readonly syscalls: readonly SyscallRule[]
}

/** A process may switch to these instruction sets too, so the filter covers them. Keyed by Node's `process.arch`. */
const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
}

/** Refuses a call whose mode argument, at `index`, has the bit. */
function refuseMode(names: readonly string[], index: number, bit: number): SyscallRule {
  return { names, action: 'SCMP_ACT_ERRNO', errnoRet: EPERM, args: [{ index, value: bit, valueTwo: bit, op: 'SCMP_CMP_MASKED_EQ' }] }
}

const EXTENDED_ATTRIBUTES = [
  'getxattr', 'lgetxattr', 'fgetxattr', 'getxattrat',
  'setxattr', 'lsetxattr', 'fsetxattr', 'setxattrat',
  'listxattr', 'llistxattr', 'flistxattr', 'listxattrat',
]

export function seccompProfile(arch: string): SeccompProfile {
  return {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: ARCHITECTURES[arch] ?? [],
    syscalls: [
      ...[SETUID, SETGID].flatMap((bit) => [refuseMode(['chmod', 'fchmod'], 1, bit), refuseMode(['fchmodat', 'fchmodat2'], 2, bit)]),
      { names: EXTENDED_ATTRIBUTES, action: 'SCMP_ACT_ERRNO', errnoRet: ENOTSUP },
    ],
  }
}
