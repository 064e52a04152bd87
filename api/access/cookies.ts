/** Ring: api. The cookie of a session. Scripts can't read it, other sites' pages can't send it with what changes something. */
import type { Request } from 'express'
import type { Settings } from '../../config/settings.ts'

export const SESSION_COOKIE = 'firn_session'

export function cookieOf(request: Pick<Request, 'headers'>, name: string): string | undefined {
  for (const part of (request.headers.cookie ?? '').split(';')) {
    const equals = part.indexOf('=')
    if (equals > 0 && part.slice(0, equals).trim() === name) return part.slice(equals + 1).trim() || undefined
  }
  return undefined
}

/** `seconds` of 0 removes it. */
export function cookie(settings: Pick<Settings['api'], 'publicUrl' | 'certificate'>, name: string, value: string, options: { readonly seconds: number; readonly path?: string }): string {
  const secure = settings.certificate !== undefined || settings.publicUrl?.startsWith('https:') === true
  return [`${name}=${value}`, `Path=${options.path ?? '/'}`, `Max-Age=${Math.max(0, Math.floor(options.seconds))}`, 'HttpOnly', 'SameSite=Lax', ...(secure ? ['Secure'] : [])].join('; ')
}
