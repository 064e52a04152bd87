/** Ring: api. Byte ranges (RFC 9110, section 14), one at a time: that is what Nix, curl and browsers ask for to resume. */
import type { Request, Response } from 'express'
import { HttpError } from './problem.ts'

/** `[start, end)` in bytes. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/**
 * The range that a request asks for; undefined for the whole: without a Range header, with one that is not understood or
 * names several (which a server may ignore), or when If-Range names another version. Throws 416 beyond the end.
 */
export function requestedRange(request: Request, size: number, etag?: string): ByteRange | undefined {
  const header = request.headers.range
  const match = header === undefined ? null : /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header.trim())
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const ifRange = request.headers['if-range']
  if (ifRange !== undefined && ifRange !== etag) return undefined
  const [from, to] = [match[1]!, match[2]!]
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from)
  const end = from === '' || to === '' ? size : Math.min(size, Number(to) + 1)
  if (start >= size || start >= end) throw new HttpError(416, 'invalid-input', `range ${header!.slice(0, 60)} is outside of ${size} bytes`, { headers: { 'Content-Range': `bytes */${size}` } })
  return { start, end }
}

/** Status and headers of a response whose body will be the range, or the whole. */
export function announce(response: Response, size: number, range: ByteRange | undefined): void {
  response.setHeader('Accept-Ranges', 'bytes')
  response.setHeader('Content-Length', range ? range.end - range.start : size)
  if (!range) return
  response.status(206)
  response.setHeader('Content-Range', `bytes ${range.start}-${range.end - 1}/${size}`)
}

/** Whether the client has this version (If-None-Match); answers 304 then. */
export function notModified(request: Request, response: Response, etag: string): boolean {
  response.setHeader('ETag', etag)
  const given = request.headers['if-none-match']
  if (given === undefined) return false
  const plain = (tag: string): string => tag.trim().replace(/^W\//, '')
  if (given.trim() !== '*' && !given.split(',').map(plain).includes(plain(etag))) return false
  response.status(304).end()
  return true
}
