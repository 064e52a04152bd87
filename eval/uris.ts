/** Ring: eval. Which addresses restricted evaluation may fetch. Upstream counterpart: isAllowedURI in src/libexpr/eval.cc. */

/** Whether an address is one of the allowed ones, or below it: a prefix must end where a part of the address does. */
export function isAllowedUri(uri: string, allowed: readonly string[]): boolean {
  return allowed.some((prefix) => uri === prefix
    || (prefix !== '' && uri.startsWith(prefix) && (prefix.endsWith('/') || uri[prefix.length] === '/' || /^[a-zA-Z][a-zA-Z0-9+.-]*:$/.test(prefix))))
}
