/** Ring: eval. Parts of a file that can be exchanged: whoever runs one depends on it, and runs what it is now. */
import { depend, newObservation, tracker } from '../runtime/dependencies.ts'
import type { Expression } from '../syntax/ast.ts'
import { delayedContext, type Context, type Strict } from './scope.ts'

export function compileSegment({ segment }: Expression & { readonly kind: 'segment' }, context: Context): Strict {
  // what runs here is compiled after the frame around it has got its size
  const inner = delayedContext(context)
  let compiled: Strict | undefined
  let from: Expression | undefined
  return (frame) => {
    if (tracker.on) depend(segment.observation ??= newObservation())
    const { expression, source } = segment
    if (compiled === undefined || from !== expression) {
      compiled = context.compiler.strict(expression, { ...inner, source })
      from = expression
    }
    return compiled(frame)
  }
}
