/**
 * Ring: eval. Finds variables that nothing defines, before anything runs. Upstream counterpart: bindVars in src/libexpr/nixexpr.cc,
 * whose order decides which one is reported. Walks with a stack of its own: generated files nest deeply.
 */
import type { AttributeName, Bindings, Expression, Position } from './ast.ts'

interface Scope {
  readonly names: ReadonlySet<string> | undefined
  readonly parent: Scope | undefined
  /** Whether this or an enclosing scope is a `with`: then any name may exist. */
  readonly open: boolean
}

type Work = { readonly expression: Expression; readonly scope: Scope | undefined }

/** The first variable that is neither bound, nor global, nor possibly of an enclosing `with`; undefined if there is none. */
export function findUndefinedVariable(root: Expression, isGlobal: (name: string) => boolean): { readonly name: string; readonly position: Position } | undefined {
  const pending: Work[] = [{ expression: root, scope: undefined }]
  for (let work = pending.pop(); work !== undefined; work = pending.pop()) {
    const { expression, scope } = work
    if (expression.kind === 'variable') {
      if (!isKnown(expression.name, scope, isGlobal)) return { name: expression.name, position: expression.position }
      continue
    }
    const children: Work[] = []
    visit(expression, scope, (child, inner) => children.push({ expression: child, scope: inner }))
    for (let i = children.length - 1; i >= 0; i--) pending.push(children[i]!)
  }
  return undefined
}

function isKnown(name: string, scope: Scope | undefined, isGlobal: (name: string) => boolean): boolean {
  if (scope?.open === true) return true
  for (let at = scope; at !== undefined; at = at.parent) if (at.names?.has(name) === true) return true
  return isGlobal(name)
}

function bound(names: Iterable<string>, parent: Scope | undefined): Scope {
  return { names: new Set(names), parent, open: parent?.open ?? false }
}

type Visitor = (child: Expression, scope: Scope | undefined) => void

function visit(expression: Expression, scope: Scope | undefined, go: Visitor): void {
  switch (expression.kind) {
    case 'int':
    case 'float':
    case 'string':
    case 'path':
    case 'variable':
    case 'current-position': return
    case 'search-path':
      go({ kind: 'variable', position: expression.position, name: '__findFile' }, scope)
      go({ kind: 'variable', position: expression.position, name: '__nixPath' }, scope)
      return
    case 'interpolation':
    case 'path-interpolation':
      for (const part of expression.parts) go(part, scope)
      return
    case 'select':
      go(expression.subject, scope)
      if (expression.fallback !== undefined) go(expression.fallback, scope)
      visitPath(expression.path, scope, go)
      return
    case 'has-attribute':
      go(expression.subject, scope)
      visitPath(expression.path, scope, go)
      return
    case 'attributes': return visitBindings(expression.bindings, scope, expression.bindings.recursive ? boundBy(expression.bindings, scope) : scope, go)
    case 'list':
      for (const element of expression.elements) go(element, scope)
      return
    case 'lambda': {
      const { parameter } = expression
      if (parameter.kind === 'name') return go(expression.body, bound([parameter.name], scope))
      const names = parameter.formals.map((formal) => formal.name)
      const inner = bound(parameter.name === undefined ? names : [...names, parameter.name], scope)
      for (const formal of parameter.formals) if (formal.fallback !== undefined) go(formal.fallback, inner)
      return go(expression.body, inner)
    }
    case 'call':
      go(expression.callee, scope)
      for (const argument of expression.arguments) go(argument, scope)
      return
    case 'let': {
      const inner = boundBy(expression.bindings, scope)
      visitBindings(expression.bindings, scope, inner, go)
      return go(expression.body, inner)
    }
    case 'with':
      go(expression.scope, scope)
      return go(expression.body, { names: undefined, parent: scope, open: true })
    case 'if':
      go(expression.condition, scope)
      go(expression.then, scope)
      return go(expression.else, scope)
    case 'assert':
      go(expression.condition, scope)
      return go(expression.body, scope)
    case 'not': return go(expression.operand, scope)
    case 'segment': return go(expression.segment.expression, scope)
    case 'binary':
      go(expression.left, scope)
      return go(expression.right, scope)
  }
}

function visitPath(path: readonly AttributeName[], scope: Scope | undefined, go: Visitor): void {
  for (const name of path) if (name.kind === 'dynamic') go(name.expression, scope)
}

function boundBy(bindings: Bindings, scope: Scope | undefined): Scope {
  return bound(bindings.static.map((binding) => binding.name), scope)
}

function visitBindings(bindings: Bindings, outer: Scope | undefined, inner: Scope | undefined, go: Visitor): void {
  for (const source of bindings.inheritFrom) go(source, inner)
  for (const binding of bindings.static) {
    if (binding.kind === 'plain') go(binding.value, inner)
    else if (binding.kind === 'inherited') go(binding.value, outer)
  }
  for (const binding of bindings.dynamic) {
    go(binding.name, inner)
    go(binding.value, inner)
  }
}
