/** Ring: evaluator. What processes that share an evaluation wait for: each need is told once, and answered to all. */
import type { Need, NeedAnswer } from '../../contract/evaluations.ts'

export class SharedNeeds<Member> {
  /** Asked for, and not answered yet: by whom. */
  private readonly outstanding = new Map<string, Set<Member>>()
  private readonly answers = new Map<string, { readonly answer: NeedAnswer; /** who knew of it when it asked last */ readonly known: Set<Member> }>()

  get count(): number {
    return this.outstanding.size
  }

  /** All that was answered. */
  get known(): readonly NeedAnswer[] {
    return [...this.answers.values()].map(({ answer }) => answer)
  }

  /** Somebody waits for these: gives those that nobody was told of yet, and answers that are there. */
  ask(member: Member, needs: readonly Need[]): { readonly fresh: readonly Need[]; readonly answers: readonly NeedAnswer[] } {
    const fresh: Need[] = []
    const answers: NeedAnswer[] = []
    for (const need of needs) {
      const waiting = this.outstanding.get(need.key)
      const before = this.answers.get(need.key)
      if (waiting !== undefined) waiting.add(member)
      // the answer may have crossed the question; asked again after it was used, it is gone
      else if (before !== undefined && !before.known.has(member)) {
        before.known.add(member)
        answers.push(before.answer)
      } else {
        this.answers.delete(need.key)
        this.outstanding.set(need.key, new Set([member]))
        fresh.push(need)
      }
    }
    return { fresh, answers }
  }

  /** Takes answers in; they are for all, also for those who will ask later. */
  answer(answers: readonly NeedAnswer[]): void {
    for (const answer of answers) {
      this.answers.set(answer.key, { answer, known: this.outstanding.get(answer.key) ?? new Set() })
      this.outstanding.delete(answer.key)
    }
  }
}
