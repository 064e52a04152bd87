/**
 * Ring: evaluator. The protocol of contract/evaluations.ts over file descriptors, as the evaluator's process speaks it. Evaluation
 * is synchronous, so messages are written synchronously too: a supervisor that is slow to read makes the evaluator wait.
 */
import { writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { EvaluatorMessage, SupervisorMessage } from '../contract/evaluations.ts'
import { FrameBuffer } from './frames.ts'

/** Messages are gathered up to this many bytes before they are written. */
const BATCH = 64 * 1024

export class MessageWriter {
  private readonly descriptor: number
  private readonly pending = new FrameBuffer(2 * BATCH)

  constructor(descriptor: number) {
    this.descriptor = descriptor
  }

  send(message: EvaluatorMessage): void {
    this.pending.add(message)
    if (this.pending.size >= BATCH) this.flush()
  }

  /** Writes what was gathered. Throws EPIPE once the supervisor is gone. */
  flush(): void {
    const bytes = this.pending.take()
    for (let at = 0; at < bytes.length;) {
      try {
        at += writeSync(this.descriptor, bytes, at)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
        // the other end is full and the descriptor was given to us non-blocking
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
      }
    }
  }
}

/** Calls `onMessage` for each message, and `onEnd` when the supervisor has closed its end. */
export function readMessages(descriptor: number, onMessage: (message: SupervisorMessage) => void, onEnd: () => void): void {
  const input = new Socket({ fd: descriptor, readable: true, writable: false })
  const lines = createInterface({ input, crlfDelay: Infinity })
  lines.on('line', (line) => onMessage(JSON.parse(line) as SupervisorMessage))
  lines.on('close', onEnd)
  input.on('error', onEnd)
}
