/**
 * Ring: eval. Writes syntax nodes as `nix-instantiate --parse` does. Upstream counterpart: the `show` functions of
 * src/libexpr/nixexpr.cc.
 */
import type { AttributeName, Bindings, Expression, Parameter } from './ast.ts'
import { formatFloat, printAttributeName, printStringLiteral } from '../text/printing.ts'

/** One line without its end. */
export function printExpression(expression: Expression): string {
  const out: string[] = []
  print(expression, out)
  return out.join('')
}

/** `a."b c"."${d}"` */
export function printAttributePath(path: readonly AttributeName[]): string {
  return path
    .map((name) => name.kind === 'static' ? printAttributeName(name.name) : `"\${${printExpression(name.expression)}}"`)
    .join('.')
}

function print(node: Expression, out: string[]): void {
  switch (node.kind) {
    case 'int':
      out.push(String(node.value))
      return
    case 'float':
      out.push(formatFloat(node.value))
      return
    case 'string':
      out.push(printStringLiteral(node.value))
      return
    case 'path':
      out.push(node.value)
      return
    case 'variable':
      out.push(printAttributeName(node.name))
      return
    case 'segment': return print(node.segment.expression, out)
    case 'stored': return print(node.read(), out)
    case 'current-position':
      out.push('__curPos')
      return
    case 'interpolation':
    case 'path-interpolation':
      printJoined('(', node.parts, ' + ', ')', out)
      return
    case 'search-path':
      out.push('(__findFile __nixPath ', printStringLiteral(node.value), ')')
      return
    case 'select':
      out.push('(')
      print(node.subject, out)
      out.push(').', printAttributePath(node.path))
      if (node.fallback !== undefined) {
        out.push(' or (')
        print(node.fallback, out)
        out.push(')')
      }
      return
    case 'has-attribute':
      out.push('((')
      print(node.subject, out)
      out.push(') ? ', printAttributePath(node.path), ')')
      return
    case 'attributes':
      out.push(node.bindings.recursive ? 'rec { ' : '{ ')
      printBindings(node.bindings, out)
      out.push('}')
      return
    case 'list':
      out.push('[ ')
      for (const element of node.elements) {
        out.push('(')
        print(element, out)
        out.push(') ')
      }
      out.push(']')
      return
    case 'lambda':
      out.push('(', printParameter(node.parameter), ': ')
      print(node.body, out)
      out.push(')')
      return
    case 'call':
      printCall(node.callee, node.arguments, out)
      return
    case 'let':
      out.push('(let ')
      printBindings(node.bindings, out)
      out.push('in ')
      print(node.body, out)
      out.push(')')
      return
    case 'with':
      out.push('(with ')
      print(node.scope, out)
      out.push('; ')
      print(node.body, out)
      out.push(')')
      return
    case 'if':
      out.push('(if ')
      print(node.condition, out)
      out.push(' then ')
      print(node.then, out)
      out.push(' else ')
      print(node.else, out)
      out.push(')')
      return
    case 'assert':
      out.push('assert ')
      print(node.condition, out)
      out.push('; ')
      print(node.body, out)
      return
    case 'not':
      out.push('(! ')
      print(node.operand, out)
      out.push(')')
      return
    case 'binary':
      out.push('(')
      print(node.left, out)
      out.push(` ${node.operator} `)
      print(node.right, out)
      out.push(')')
  }
}

function printJoined(open: string, parts: readonly Expression[], separator: string, close: string, out: string[]): void {
  out.push(open)
  parts.forEach((part, index) => {
    if (index > 0) out.push(separator)
    print(part, out)
  })
  out.push(close)
}

function printCall(callee: Expression, given: readonly Expression[], out: string[]): void {
  // a search path is itself a call of `__findFile`, which takes further arguments
  if (callee.kind === 'search-path') out.push('(__findFile __nixPath ', printStringLiteral(callee.value))
  else {
    out.push('(')
    print(callee, out)
  }
  for (const argument of given) {
    out.push(' ')
    print(argument, out)
  }
  out.push(')')
}

/** Sorted by name; inherited ones first. */
function printBindings(bindings: Bindings, out: string[]): void {
  const sorted = [...bindings.static].sort(byName)
  const inherited = sorted.filter((binding) => binding.kind === 'inherited')
  if (inherited.length > 0) out.push('inherit', ...inherited.map((binding) => ` ${printAttributeName(binding.name)}`), '; ')
  bindings.inheritFrom.forEach((source, index) => {
    const members = sorted.filter((binding) => binding.kind === 'inherited-from' && binding.source === index)
    if (members.length === 0) return
    out.push('inherit (')
    print(source, out)
    out.push(')', ...members.map((binding) => ` ${printAttributeName(binding.name)}`), '; ')
  })
  for (const binding of sorted) {
    if (binding.kind !== 'plain') continue
    out.push(printAttributeName(binding.name), ' = ')
    print(binding.value, out)
    out.push('; ')
  }
  for (const binding of bindings.dynamic) {
    out.push('"${')
    print(binding.name, out)
    out.push('}" = ')
    print(binding.value, out)
    out.push('; ')
  }
}

function printParameter(parameter: Parameter): string {
  if (parameter.kind === 'name') return printAttributeName(parameter.name)
  const formals = [...parameter.formals].sort(byName).map((formal) =>
    formal.fallback === undefined ? printAttributeName(formal.name) : `${printAttributeName(formal.name)} ? ${printExpression(formal.fallback)}`)
  if (parameter.ellipsis) formals.push('...')
  const pattern = `{ ${formals.join(', ')} }`
  return parameter.name === undefined ? pattern : `${pattern} @ ${printAttributeName(parameter.name)}`
}

function byName(left: { readonly name: string }, right: { readonly name: string }): number {
  return left.name < right.name ? -1 : left.name > right.name ? 1 : 0
}
