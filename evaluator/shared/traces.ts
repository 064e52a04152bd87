/**
 * Ring: evaluator. Traces of processes that share an evaluation: what several of them compute, each traces. A text is shown as often as the one did
 * that traced it most; one process alone would have done so too, as far as the others computed nothing else with the same text.
 */
export class SharedTraces<Member> {
  private readonly counts = new Map<string, { shown: number; readonly by: Map<Member, number> }>()

  /** Whether this one is to be shown. */
  shows(member: Member, level: string, text: string): boolean {
    const key = `${level} ${text}`
    let counts = this.counts.get(key)
    if (counts === undefined) this.counts.set(key, (counts = { shown: 0, by: new Map() }))
    const count = (counts.by.get(member) ?? 0) + 1
    counts.by.set(member, count)
    if (count <= counts.shown) return false
    counts.shown = count
    return true
  }
}
