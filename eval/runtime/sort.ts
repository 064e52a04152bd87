/** Ring: eval. A stable sort that calls back only with `less` and tolerates orders that aren't: never loops, never fails by itself. */
export function mergeSort<T>(items: readonly T[], less: (a: T, b: T) => boolean): T[] {
  let from = [...items]
  let to = new Array<T>(items.length)
  for (let width = 1; width < items.length; width *= 2) {
    for (let start = 0; start < items.length; start += 2 * width) {
      const middle = Math.min(start + width, items.length)
      const end = Math.min(start + 2 * width, items.length)
      // Already in order: one comparison for the whole run.
      if (middle < end && !less(from[middle]!, from[middle - 1]!)) {
        for (let i = start; i < end; i++) to[i] = from[i]!
        continue
      }
      let left = start
      let right = middle
      for (let at = start; at < end; at++) {
        if (left < middle && (right >= end || !less(from[right]!, from[left]!))) to[at] = from[left++]!
        else to[at] = from[right++]!
      }
    }
    const swap = from
    from = to
    to = swap
  }
  return from
}
