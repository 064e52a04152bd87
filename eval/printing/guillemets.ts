/** Ring: eval. `«…»` in byte strings: the two bytes that UTF-8 has for each. */
export function inGuillemets(text: string): string {
  return `\u00c2\u00ab${text}\u00c2\u00bb`
}
