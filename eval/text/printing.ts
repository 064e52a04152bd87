/**
 * Ring: eval. How Nix writes strings, names and numbers. Upstream counterpart: src/libexpr/print.cc. Texts are byte strings.
 */

const KEYWORDS: ReadonlySet<string> = new Set(['if', 'then', 'else', 'assert', 'with', 'let', 'in', 'rec', 'inherit'])
const IDENTIFIER = /^[a-zA-Z_][a-zA-Z0-9_'-]*$/
const NEEDS_ESCAPE = /["\\\n\r\t]|\$\{/

/** A string literal that reads back as `text`. */
export function printStringLiteral(text: string): string {
  if (!NEEDS_ESCAPE.test(text)) return `"${text}"`
  const escaped = text.replace(/["\\\n\r\t]|\$(?=\{)/g, (byte) => {
    switch (byte) {
      case '\n': return '\\n'
      case '\r': return '\\r'
      case '\t': return '\\t'
      default: return `\\${byte}`
    }
  })
  return `"${escaped}"`
}

/** An attribute's or variable's name, quoted where it isn't an identifier. */
export function printAttributeName(name: string): string {
  return IDENTIFIER.test(name) && !KEYWORDS.has(name) ? name : printStringLiteral(name)
}

/** As C's `%g`: six significant digits, no trailing zeros. What printing a value gives. */
export function formatFloat(value: number): string {
  const special = notFinite(value)
  if (special !== undefined) return special
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  const [digits, exponentText] = roundedToEven(value, 5).split('e') as [string, string]
  const exponent = Number(exponentText)
  if (exponent < -4 || exponent >= 6) {
    const sign = exponent < 0 ? '-' : '+'
    return `${withoutTrailingZeros(digits)}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`
  }
  return withoutTrailingZeros(fixedToEven(value, 5 - exponent))
}

/** As C's `%f`: six digits after the point. What `toString` gives. */
export function formatFloatFixed(value: number): string {
  const special = notFinite(value)
  if (special !== undefined) return special
  if (Math.abs(value) < 1e21) return Object.is(value, -0) ? '-0.000000' : fixedToEven(value, 6)
  return `${BigInt(value)}.000000`
}

/** Digits enough to tell a number from the middle between two roundings. */
const EXACT = 60

/** As toExponential, but the middle is rounded to an even digit, as C does it, and not up. */
function roundedToEven(value: number, digits: number): string {
  const up = value.toExponential(digits)
  const [mantissa, exponent] = up.split('e') as [string, string]
  return isMiddle(value.toExponential(EXACT), digits + 1) && /[13579]$/.test(mantissa) ? `${lowered(mantissa)}e${exponent}` : up
}

/** As toFixed, with the same exception. */
function fixedToEven(value: number, digits: number): string {
  const up = value.toFixed(digits)
  const exact = value.toFixed(EXACT)
  const rest = exact.slice(exact.indexOf('.') + 1 + digits)
  return /^50*$/.test(rest) && /[13579]$/.test(up) ? lowered(up) : up
}

function isMiddle(exact: string, digits: number): boolean {
  return /^50*$/.test(exact.split('e')[0]!.replace(/[-.]/g, '').slice(digits))
}

/** A text with an odd last digit, that digit lowered by one. */
function lowered(digits: string): string {
  return digits.slice(0, -1) + String(Number(digits.slice(-1)) - 1)
}

function notFinite(value: number): string | undefined {
  if (Number.isNaN(value)) return 'nan'
  if (value === Infinity) return 'inf'
  return value === -Infinity ? '-inf' : undefined
}

function withoutTrailingZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}
