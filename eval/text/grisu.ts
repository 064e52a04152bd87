/**
 * Ring: eval. Digits of a float as Nix's JSON has them: by the algorithm Grisu2, which is sometimes a digit longer, or another digit at the end,
 * than the shortest. Upstream counterpart: nlohmann::detail::dtoa_impl, after Florian Loitsch, "Printing Floating-Point Numbers Quickly and
 * Accurately with Integers". 64-bit arithmetic is done with bigints: floats in JSON are rare.
 */

/** A number f * 2^e. */
interface Scaled {
  readonly f: bigint
  readonly e: number
}

const MASK = (1n << 64n) - 1n
/** Bounds of the binary exponent after scaling: the digits before the point then fit 32 bits. */
const ALPHA = -60
/** Powers of ten are taken in steps of eight. */
const STEP = 8
const FIRST_POWER = -300

/** Digits and decimal exponent: digits * 10^exponent, for a finite number above zero. */
export function grisu2(value: number): { readonly digits: string; readonly exponent: number } {
  const { low, middle, high } = boundaries(value)
  const { power, k } = powerFor(high.e)
  const w = multiply(middle, power)
  const upper = multiply(high, power)
  const lower = multiply(low, power)
  return generate({ f: lower.f + 1n, e: lower.e }, w, { f: upper.f - 1n, e: upper.e }, -k)
}

/** The number and the middles between it and its neighbours, the upper one normalised. */
function boundaries(value: number): { readonly low: Scaled; readonly middle: Scaled; readonly high: Scaled } {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  const bits = view.getBigUint64(0)
  const exponent = Number(bits >> 52n)
  const fraction = bits & ((1n << 52n) - 1n)
  const v: Scaled = exponent === 0 ? { f: fraction, e: -1074 } : { f: fraction + (1n << 52n), e: exponent - 1075 }
  const lowerIsCloser = fraction === 0n && exponent > 1
  const high = normalise({ f: 2n * v.f + 1n, e: v.e - 1 })
  const below = lowerIsCloser ? { f: 4n * v.f - 1n, e: v.e - 2 } : { f: 2n * v.f - 1n, e: v.e - 1 }
  return { low: { f: below.f << BigInt(below.e - high.e), e: high.e }, middle: normalise(v), high }
}

function normalise({ f, e }: Scaled): Scaled {
  const shift = 64 - f.toString(2).length
  return { f: f << BigInt(shift), e: e - shift }
}

/** The upper half of the product, rounded up from the middle. */
function multiply(x: Scaled, y: Scaled): Scaled {
  return { f: ((x.f * y.f + (1n << 63n)) >> 64n) & MASK, e: x.e + y.e + 64 }
}

/** The power of ten that brings a number with this exponent into range; the number is divided by 10^-k. */
function powerFor(e: number): { readonly power: Scaled; readonly k: number } {
  const f = ALPHA - e - 1
  const wanted = Math.trunc((f * 78913) / 2 ** 18) + (f > 0 ? 1 : 0)
  const index = Math.trunc((-FIRST_POWER + wanted + (STEP - 1)) / STEP)
  const k = FIRST_POWER + index * STEP
  return { power: powerOfTen(k), k }
}

const powers = new Map<number, Scaled>()

/** 10^k with 64 bits, rounded to nearest. */
function powerOfTen(k: number): Scaled {
  let power = powers.get(k)
  if (power !== undefined) return power
  const ten = 10n ** BigInt(Math.abs(k))
  const length = ten.toString(2).length
  if (k >= 0) power = length <= 64 ? { f: ten << BigInt(64 - length), e: length - 64 } : rounded(ten, 1n << BigInt(length - 64), length - 64)
  else {
    // 2^(63 + length) / 10^-k has 64 bits, since 10^-k has `length`
    const numerator = 1n << BigInt(63 + length)
    power = rounded(numerator, ten, -(63 + length))
  }
  powers.set(k, power)
  return power
}

function rounded(numerator: bigint, denominator: bigint, e: number): Scaled {
  const f = (numerator + denominator / 2n) / denominator
  return f > MASK ? { f: f >> 1n, e: e + 1 } : { f, e }
}

/** The digits of a number between the bounds, as few as they allow, then moved towards `w`. */
function generate(low: Scaled, w: Scaled, high: Scaled, exponent: number): { readonly digits: string; readonly exponent: number } {
  let delta = high.f - low.f
  let distance = high.f - w.f
  const one = 1n << BigInt(-high.e)
  let before = high.f >> BigInt(-high.e)
  let after = high.f & (one - 1n)
  let digits = ''
  let place = before.toString().length
  let ten = 10n ** BigInt(place - 1)
  while (place > 0) {
    digits += String(before / ten)
    before %= ten
    place--
    const rest = (before << BigInt(-high.e)) + after
    if (rest <= delta) return { digits: moved(digits, distance, delta, rest, ten << BigInt(-high.e)), exponent: exponent + place }
    ten /= 10n
  }
  for (let more = 1; ; more++) {
    after *= 10n
    digits += String(after >> BigInt(-high.e))
    after &= one - 1n
    delta *= 10n
    distance *= 10n
    if (after <= delta) return { digits: moved(digits, distance, delta, after, one), exponent: exponent - more }
  }
}

/** Lowers the last digit as long as that comes nearer to the number. */
function moved(digits: string, distance: bigint, delta: bigint, rest: bigint, step: bigint): string {
  let last = digits.charCodeAt(digits.length - 1)
  for (let at = rest; at < distance && delta - at >= step && (at + step < distance || distance - at > at + step - distance); at += step) last--
  return digits.slice(0, -1) + String.fromCharCode(last)
}
