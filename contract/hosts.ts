/** Ring: contract. Lists of hosts that a farm may speak to. */

/**
 * Whether an address is at one of the hosts: `example.org`, `example.org:8443` where the port isn't the scheme's own, `*.example.org` for all
 * below. An empty list allows every host.
 */
export function isAtAllowedHost(address: string, hosts: readonly string[]): boolean {
  if (hosts.length === 0) return true
  const { host } = new URL(address)
  return hosts.some((one) => {
    const allowed = one.toLowerCase()
    return allowed.startsWith('*.') ? host.endsWith(allowed.slice(1)) : host === allowed
  })
}
