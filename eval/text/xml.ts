/** Text within an XML attribute's value. Upstream counterpart: src/libutil/xml-writer.cc. */
export function escapeXml(text: string): string {
  return text.replace(/["<>&\n]/g, (byte) => {
    switch (byte) {
      case '"': return '&quot;'
      case '<': return '&lt;'
      case '>': return '&gt;'
      case '&': return '&amp;'
      default: return '&#xA;' // or parsers would make a space of it
    }
  })
}
