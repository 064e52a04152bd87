/**
 * Ring: eval. Finds variables that nothing defines, before anything runs. Upstream counterpart: bindVars in src/libexpr/nixexpr.cc,
 * whose order decides which one is reported. Walks with a stack of its own: generated files nest deeply.
 */
import type { AttributeName, Bindings, Expression, Position } from './ast.ts'

interface Scope {
  /** The name of a function's whole argument: most functions bind nothing else. */
  readonly only: string | undefined
  readonly names: ReadonlySet<string> | undefined
  readonly parent: Scope | undefined
  /** Whether this or an enclosing scope is a `with`: then any name may exist. */
  readonly open: boolean
}

/** The first variable that is neither bound, nor global, nor possibly of an enclosing `with`; undefined if there is none. */
export function findUndefinedVariable(root: Expression, isGlobal: (name: string) => boolean): { readonly name: string; readonly position: Position } | undefined {
  const walk = new Walk()
  walk.go(root, undefined)
  for (let expression = walk.next(); expression !== undefined; expression = walk.next()) {
    const { scope } = walk
    if (expression.kind !== 'variable') walk.visit(expression)
    else if (!isKnown(expression.name, scope, isGlobal)) return { name: expression.name, position: expression.position }
  }
  return undefined
}

function isKnown(name: string, scope: Scope | undefined, isGlobal: (name: string) => boolean): boolean {
  if (scope?.open === true) return true
  for (let at = scope; at !== undefined; at = at.parent) if (at.only === name || at.names?.has(name) === true) return true
  return isGlobal(name)
}

/** What is still to be looked at, the next on top: two arrays, since every file is walked whole. */
class Walk {
  /** Of the expression that `next` gave. */
  scope: Scope | undefined = undefined
  private readonly expressions: Expression[] = []
  private readonly scopes: (Scope | undefined)[] = []

  next(): Expression | undefined {
    this.scope = this.scopes.pop()
    return this.expressions.pop()
  }

  go(child: Expression, scope: Scope | undefined): void {
    this.expressions.push(child)
    this.scopes.push(scope)
  }

  /** Adds what an expression consists of, its first part on top. */
  visit(expression: Expression): void {
    const { expressions, scopes } = this
    const from = expressions.length
    visit(expression, this.scope, this)
    for (let low = from, high = expressions.length - 1; low < high; low++, high--) {
      const child = expressions[low]!
      expressions[low] = expressions[high]!
      expressions[high] = child
      const scope = scopes[low]
      scopes[low] = scopes[high]
      scopes[high] = scope
    }
  }
}

function visit(expression: Expression, scope: Scope | undefined, walk: Walk): void {
  switch (expression.kind) {
    case 'int':
    case 'float':
    case 'string':
    case 'path':
    case 'variable':
    case 'current-position': return
    case 'search-path':
      walk.go({ kind: 'variable', position: expression.position, name: '__findFile' }, scope)
      walk.go({ kind: 'variable', position: expression.position, name: '__nixPath' }, scope)
      return
    case 'interpolation':
    case 'path-interpolation':
      for (const part of expression.parts) walk.go(part, scope)
      return
    case 'select':
      walk.go(expression.subject, scope)
      if (expression.fallback !== undefined) walk.go(expression.fallback, scope)
      visitPath(expression.path, scope, walk)
      return
    case 'has-attribute':
      walk.go(expression.subject, scope)
      visitPath(expression.path, scope, walk)
      return
    case 'attributes': return visitBindings(expression.bindings, scope, expression.bindings.recursive ? boundBy(expression.bindings, scope) : scope, walk)
    case 'list':
      for (const element of expression.elements) walk.go(element, scope)
      return
    case 'lambda': {
      const { parameter } = expression
      if (parameter.kind === 'name') {
        walk.go(expression.body, bound(parameter.name, undefined, scope))
        return
      }
      const inner = bound(parameter.name, namesOf(parameter.formals), scope)
      for (const formal of parameter.formals) if (formal.fallback !== undefined) walk.go(formal.fallback, inner)
      walk.go(expression.body, inner)
      return
    }
    case 'call':
      walk.go(expression.callee, scope)
      for (const argument of expression.arguments) walk.go(argument, scope)
      return
    case 'let': {
      const inner = boundBy(expression.bindings, scope)
      visitBindings(expression.bindings, scope, inner, walk)
      walk.go(expression.body, inner)
      return
    }
    case 'with':
      walk.go(expression.scope, scope)
      walk.go(expression.body, { only: undefined, names: undefined, parent: scope, open: true })
      return
    case 'if':
      walk.go(expression.condition, scope)
      walk.go(expression.then, scope)
      walk.go(expression.else, scope)
      return
    case 'assert':
      walk.go(expression.condition, scope)
      walk.go(expression.body, scope)
      return
    case 'not':
      walk.go(expression.operand, scope)
      return
    case 'segment':
      walk.go(expression.segment.expression, scope)
      return
    case 'stored':
      walk.go(expression.read(), scope)
      return
    case 'binary':
      walk.go(expression.left, scope)
      walk.go(expression.right, scope)
      return
  }
}

function visitPath(path: readonly AttributeName[], scope: Scope | undefined, walk: Walk): void {
  for (const name of path) if (name.kind === 'dynamic') walk.go(name.expression, scope)
}

function bound(only: string | undefined, names: ReadonlySet<string> | undefined, parent: Scope | undefined): Scope {
  return { only, names, parent, open: parent?.open ?? false }
}

function namesOf(named: readonly { readonly name: string }[]): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { name } of named) names.add(name)
  return names
}

function boundBy(bindings: Bindings, scope: Scope | undefined): Scope {
  return bound(undefined, namesOf(bindings.static), scope)
}

function visitBindings(bindings: Bindings, outer: Scope | undefined, inner: Scope | undefined, walk: Walk): void {
  for (const source of bindings.inheritFrom) walk.go(source, inner)
  for (const binding of bindings.static) {
    if (binding.kind === 'plain') walk.go(binding.value, inner)
    else if (binding.kind === 'inherited') walk.go(binding.value, outer)
  }
  for (const binding of bindings.dynamic) {
    walk.go(binding.name, inner)
    walk.go(binding.value, inner)
  }
}
