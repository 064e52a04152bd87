/**
 * Ring: web. The line of a failed build's log that says why: looked for from its end, where builds stop. What only passes a failure on (make, ninja)
 * is taken where nothing better is near.
 */

const REASON = /\berror(\[\w+\])?:|^error\b|\bfatal\b|undefined reference|\bpanicked at\b|^(\w+\.)*\w*(Error|Exception)\b|command not found|No such file or directory|Permission denied|Segmentation fault|out of memory|\bnot ok \d|^FAIL(ED)?\b|assertion .*failed|unresolved import|cannot find/i
/** Says that something else failed, in the words of a reason. */
const PASSES_ON = /\*\*\*|^ninja: |ld returned \d+ exit status|^error: (could not compile|aborting due to)|^npm (ERR!|error)|error: (linker|command) .*(failed|exited)/i
const MENTIONS = /\*\*\*.*(Error|Stop)|^ninja: build stopped|^builder for .* failed|exit (code|status)|returned non-zero|build failed|\berror\b|\bfailed\b/i
const COLOURS = /\u001b\[[0-9;?]*[A-Za-z]/g

/** Position in `lines` of what looks most like the reason. */
export function failingLine(lines: readonly string[]): number | undefined {
  let passedOn: number | undefined
  for (let index = lines.length - 1; index >= 0; index--) {
    const line = lines[index]!.replace(COLOURS, '')
    if (!PASSES_ON.test(line) && REASON.test(line)) return index
    if (MENTIONS.test(line)) passedOn ??= index
  }
  return passedOn
}
