/** Ring: web (playground). The parser's tree, with words for its nodes. Texts are byte strings. */
import type { Explained } from '../../eval/compile/explain.ts'
import type { AttributePath, Bindings, Expression, Parameter } from '../../eval/syntax/ast.ts'
import { printAttributePath, printExpression } from '../../eval/syntax/print.ts'

export function syntaxTree(node: Expression): Explained {
  const of = (children: readonly Explained[], detail?: string): Explained => ({ label: node.kind, position: node.position, children, ...(detail !== undefined && { detail }) })
  switch (node.kind) {
    case 'int':
    case 'float':
    case 'string':
    case 'path': return of([], printExpression(node))
    case 'search-path': return of([], `<${node.value}>`)
    case 'variable': return of([], node.name)
    case 'current-position': return of([])
    case 'segment': return syntaxTree(node.segment.expression)
    case 'stored': return syntaxTree(node.read())
    case 'interpolation':
    case 'path-interpolation': return of(node.parts.map(syntaxTree))
    case 'select': return of([syntaxTree(node.subject), ...namesOf(node.path), ...(node.fallback === undefined ? [] : [role('or', syntaxTree(node.fallback))])], printAttributePath(node.path))
    case 'has-attribute': return of([syntaxTree(node.subject), ...namesOf(node.path)], printAttributePath(node.path))
    case 'attributes': return of(bindingsOf(node.bindings), node.bindings.recursive ? 'recursive' : undefined)
    case 'list': return of(node.elements.map(syntaxTree), `${node.elements.length} element${node.elements.length === 1 ? '' : 's'}`)
    case 'lambda': return of([...parameterOf(node.parameter), role('body', syntaxTree(node.body))], node.name)
    case 'call': return of([role('function', syntaxTree(node.callee)), ...node.arguments.map((argument) => role('argument', syntaxTree(argument)))])
    case 'let': return of([...bindingsOf(node.bindings), role('in', syntaxTree(node.body))])
    case 'with': return of([syntaxTree(node.scope), role('body', syntaxTree(node.body))])
    case 'if': return of([role('condition', syntaxTree(node.condition)), role('then', syntaxTree(node.then)), role('else', syntaxTree(node.else))])
    case 'assert': return of([role('condition', syntaxTree(node.condition)), role('body', syntaxTree(node.body))])
    case 'not': return of([syntaxTree(node.operand)])
    case 'binary': return of([syntaxTree(node.left), syntaxTree(node.right)], node.operator)
  }
}

function role(label: string, child: Explained): Explained {
  return { ...child, label: `${label}: ${child.label}` }
}

function namesOf(path: AttributePath): Explained[] {
  return path.flatMap((name) => (name.kind === 'dynamic' ? [role('name', syntaxTree(name.expression))] : []))
}

function bindingsOf(bindings: Bindings): Explained[] {
  return [
    ...bindings.static.map((binding): Explained => (binding.kind === 'inherited-from'
      ? { label: `${binding.name} (inherited)`, position: binding.position, children: [syntaxTree(bindings.inheritFrom[binding.source]!)] }
      : { label: binding.kind === 'inherited' ? `${binding.name} (inherited)` : `${binding.name} =`, position: binding.position, children: [syntaxTree(binding.value)] })),
    ...bindings.dynamic.map(({ name, value, position }): Explained => ({ label: 'computed name =', position, children: [syntaxTree(name), syntaxTree(value)] })),
  ]
}

function parameterOf(parameter: Parameter): Explained[] {
  if (parameter.kind === 'name') return [{ label: 'parameter', detail: parameter.name, children: [] }]
  return [{
    label: 'pattern',
    detail: [parameter.name === undefined ? '' : `@ ${parameter.name}`, parameter.ellipsis ? '...' : ''].filter((text) => text !== '').join(' '),
    children: parameter.formals.map(({ name, fallback, position }) => ({ label: name, position, children: fallback === undefined ? [] : [role('otherwise', syntaxTree(fallback))] })),
  }]
}
