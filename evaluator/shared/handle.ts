/**
 * Ring: evaluator. Several evaluator processes that share each evaluation and look like one to whoever supervises it. They stay together, so that
 * each finds in its memory what it had the last time. Upstream counterpart: nix-eval-jobs' workers, which end with the evaluation.
 *
 *   const evaluator = new SharedEvaluator({ processes: 2, spawn: () => spawnEvaluator({ memoryMegabytes: 4096 }) })
 *   // then as in spawn.ts
 *
 * The first process begins; another is started when enough is left to do. If one dies all end, with its error, as one process would.
 */
import type { EvaluatorMessage, SupervisorMessage } from '../../contract/evaluations.ts'
import { asFirnError } from '../../contract/errors.ts'
import type { EvaluatorHandle } from '../spawn.ts'
import { SharedEvaluation, type Memories, type Worth } from './evaluation.ts'
import { Member } from './member.ts'
import { Outbox } from './outbox.ts'

export interface SharedOptions {
  /** How many there may be. */
  readonly processes: number
  /** `isFirst`: the one that begins, and may be started ahead of need. */
  readonly spawn: (isFirst: boolean) => EvaluatorHandle
  readonly worth?: Worth
}

/** A process more costs a quarter of a second of its own, and what all attributes have in common. */
const WORTH: Worth = { attributes: 50, milliseconds: 200 }

export class SharedEvaluator implements EvaluatorHandle {
  readonly messages: AsyncIterable<EvaluatorMessage>
  readonly ended: Promise<void>
  private readonly options: SharedOptions
  private readonly outbox = new Outbox<EvaluatorMessage>()
  private readonly members: Member[] = []
  private readonly live = new Set<Member>()
  private evaluation: SharedEvaluation | undefined
  private memories: Memories = new Map()
  /** Store paths of which the supervisor was told: what several processes make is told once. */
  private readonly told = new Set<string>()
  private isReady = false
  private failure: unknown
  private settle!: (failure: unknown) => void

  constructor(options: SharedOptions) {
    this.options = options
    this.messages = this.outbox
    this.ended = new Promise((resolve, reject) => {
      this.settle = (failure) => (failure === undefined ? resolve() : reject(asFirnError(failure)))
    })
    // callers may look at it late
    this.ended.catch(() => undefined)
    const { processes, worth = WORTH } = options
    while (this.members.length < (worth.milliseconds === 0 ? processes : 1)) this.enlarge()
  }

  get processId(): number | undefined {
    return this.members[0]!.handle.processId
  }

  get processIds(): readonly (number | undefined)[] {
    return this.members.map(({ handle }) => handle.processId)
  }

  async send(message: SupervisorMessage): Promise<void> {
    switch (message.kind) {
      case 'start': return this.start(message)
      case 'answers': return this.evaluation?.answer(message.answers)
      case 'stop': return this.stop()
      // what the processes are told comes from here
      default: throw new Error(`'${message.kind}' is not for several processes`)
    }
  }

  async stop(): Promise<void> {
    // nobody reads any more
    this.outbox.close()
    await Promise.all([...this.live].map(({ handle }) => handle.stop()))
    await this.ended.catch(() => undefined)
  }

  private start(message: Extract<SupervisorMessage, { readonly kind: 'start' }>): void {
    const { processes, worth = WORTH } = this.options
    this.evaluation = new SharedEvaluation({
      start: message, members: this.members, processes, memories: this.memories, worth,
      emit: (out) => this.outbox.push(out),
      enlarge: () => {
        const member = this.enlarge()
        this.evaluation?.join(member)
      },
      ended: (memories) => {
        this.evaluation = undefined
        this.memories = memories
        for (const member of this.members) member.end()
      },
    })
  }

  private enlarge(): Member {
    const number = this.members.length
    const member = new Member(number, this.options.spawn(number === 0))
    this.members.push(member)
    this.live.add(member)
    void this.listen(member)
    return member
  }

  private async listen(member: Member): Promise<void> {
    try {
      for await (const message of member.handle.messages) {
        this.receive(member, message)
        if (this.outbox.isFull) await this.outbox.room()
      }
      await member.handle.ended
    } catch (error) {
      this.failure ??= error
    }
    this.live.delete(member)
    this.evaluation?.close()
    // without its memory the others would do all of it again
    for (const { handle } of this.live) void handle.stop()
    if (this.live.size > 0) return
    this.outbox.close()
    this.settle(this.failure)
  }

  private receive(member: Member, message: EvaluatorMessage): void {
    const isOfNow = member.speaks(message)
    switch (message.kind) {
      case 'source':
      case 'text':
      case 'known-fetch': return this.pass(message.storePath, message)
      case 'derivation': return this.pass(message.drvPath, message)
      case 'ready':
        if (!this.isReady) this.outbox.push(message)
        this.isReady = true
        return
      default:
        if (isOfNow) this.evaluation?.receive(member, message)
    }
  }

  /** What is added to the store: also when nobody wants it any more, since the process won't tell of it again. */
  private pass(storePath: string, message: EvaluatorMessage): void {
    if (this.told.has(storePath)) return
    this.told.add(storePath)
    this.outbox.push(message)
  }
}
