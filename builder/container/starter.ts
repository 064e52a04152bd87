/**
 * Ring: builder. The first program in a container: 200 bytes that become the builder.
 *
 * An OCI runtime can't start a program the way Nix does: argv[0] is always the path it executes, and runc puts a pipe and
 * a copying thread of its own before each of standard input, output and error, so that the order of the two streams is
 * lost. This program is executed in the builder's place, by an open descriptor so that no file of it is ever seen
 * inside, and does what the child of Nix does last (execBuilder in libstore/unix/build/derivation-builder.cc):
 *
 *   dup2(3, 1), dup2(3, 2)       descriptor 3 is the log
 *   dup2(open("/dev/null"), 0)   the container's own
 *   close-on-exec for 3 to 15
 *   execve(argv[1], argv + 2, environ)
 *   write(5, errno), exit(127)   only where that failed; descriptor 5 is a file
 *
 * It needs no compiler and no libc: the machine code below is written out, an instruction a line. On other processors
 * builders are started by the runtime itself, with those two differences.
 */

/** Descriptors as the program expects them. */
export const LOG_DESCRIPTOR = 3
export const STARTER_DESCRIPTOR = 4
export const STATUS_DESCRIPTOR = 5
export const STARTER_PATH = `/proc/self/fd/${STARTER_DESCRIPTOR}`

const X64 = `
  49 89 e4              mov r12, rsp
  6a 03 5f              mov edi, 3
  6a 01 5e              mov esi, 1
  6a 21 58 0f 05        dup2
  6a 02 5e              mov esi, 2
  6a 21 58 0f 05        dup2
  6a 02 58              mov eax, open
  48 8d 3d 57 00 00 00  lea rdi, "/dev/null"
  31 f6 31 d2           O_RDONLY
  0f 05                 syscall
  89 c7                 mov edi, eax
  31 f6                 mov esi, 0
  6a 21 58 0f 05        dup2
  6a 03 5b              mov ebx, 3
  89 df                 loop: mov edi, ebx
  6a 02 5e              mov esi, F_SETFD
  6a 01 5a              mov edx, FD_CLOEXEC
  6a 48 58 0f 05        fcntl
  ff c3                 inc ebx
  83 fb 10              cmp ebx, 16
  75 ec                 jne loop
  49 8b 7c 24 10        mov rdi, argv[1]
  49 8d 74 24 18        lea rsi, argv + 2
  49 8b 0c 24           mov rcx, argc
  49 8d 54 cc 10        lea rdx, environ
  6a 3b 58 0f 05        execve
  f7 d8                 neg eax
  50                    push rax
  48 89 e6              mov rsi, rsp
  6a 05 5f              mov edi, 5
  6a 01 5a              mov edx, 1
  6a 01 58 0f 05        write
  6a 7f 5f              mov edi, 127
  6a 3c 58 0f 05        exit
`

const ARM64 = `
  910003f3  mov x19, sp
  d2800060  mov x0, 3
  d2800021  mov x1, 1
  d2800002  mov x2, 0
  d2800308  mov x8, dup3
  d4000001  svc
  d2800060  mov x0, 3
  d2800041  mov x1, 2
  d4000001  svc
  92800c60  mov x0, AT_FDCWD
  10000461  adr x1, "/dev/null"
  d2800002  mov x2, O_RDONLY
  d2800003  mov x3, 0
  d2800708  mov x8, openat
  d4000001  svc
  d2800001  mov x1, 0
  d2800002  mov x2, 0
  d2800308  mov x8, dup3
  d4000001  svc
  d2800074  mov x20, 3
  aa1403e0  loop: mov x0, x20
  d2800041  mov x1, F_SETFD
  d2800022  mov x2, FD_CLOEXEC
  d2800328  mov x8, fcntl
  d4000001  svc
  91000694  add x20, x20, 1
  f100429f  cmp x20, 16
  54ffff21  b.ne loop
  f9400a60  ldr x0, argv[1]
  91006261  add x1, argv + 2
  f9400262  ldr x2, argc
  8b020e62  add x2, environ
  91004042  add x2, x2, 16
  d2801ba8  mov x8, execve
  d4000001  svc
  cb0003e0  neg x0, x0
  f81f0fe0  str x0, [sp, -16]!
  910003e1  mov x1, sp
  d28000a0  mov x0, 5
  d2800022  mov x2, 1
  d2800808  mov x8, write
  d4000001  svc
  d2800fe0  mov x0, 127
  d2800ba8  mov x8, exit
  d4000001  svc
`

const NULL_DEVICE = '/dev/null\0'
const LOAD_ADDRESS = 0x400000
const HEADERS = 64 + 56
const MACHINES: Readonly<Record<string, { readonly number: number; readonly code: () => Buffer }>> = {
  x64: { number: 62, code: () => Buffer.from(X64.split('\n').map((line) => /^ {2}((?:[0-9a-f]{2} )+)/.exec(`${line} `)?.[1] ?? '').join('').replaceAll(' ', ''), 'hex') },
  arm64: { number: 183, code: () => Buffer.concat([...ARM64.matchAll(/^ {2}([0-9a-f]{8}) /gm)].map((match) => Buffer.from(match[1]!, 'hex').reverse())) },
}

/** The program as an ELF file for a processor (`process.arch`); undefined where there is none for it. */
export function starterProgram(arch: string): Buffer | undefined {
  const machine = MACHINES[arch]
  if (machine === undefined) return undefined
  const code = Buffer.concat([machine.code(), Buffer.from(NULL_DEVICE)])
  const headers = Buffer.alloc(HEADERS)
  // identification: 64 bits, little-endian
  headers.write('\x7fELF\x02\x01\x01', 'latin1')
  headers.writeUInt16LE(2, 16) // executable
  headers.writeUInt16LE(machine.number, 18)
  headers.writeUInt32LE(1, 20)
  headers.writeBigUInt64LE(BigInt(LOAD_ADDRESS + HEADERS), 24) // entry
  headers.writeBigUInt64LE(64n, 32) // place of the program header
  headers.writeUInt16LE(64, 52)
  headers.writeUInt16LE(56, 54)
  headers.writeUInt16LE(1, 56)
  // one segment: the whole file, readable and executable
  headers.writeUInt32LE(1, 64)
  headers.writeUInt32LE(5, 68)
  headers.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 80)
  headers.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 88)
  headers.writeBigUInt64LE(BigInt(HEADERS + code.length), 96)
  headers.writeBigUInt64LE(BigInt(HEADERS + code.length), 104)
  headers.writeBigUInt64LE(0x1000n, 112)
  return Buffer.concat([headers, code])
}
