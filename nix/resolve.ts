/**
 * Ring: nix. Resolution: once its inputs are built, a derivation whose inputs were not known (floating
 * content-addressed ones) becomes one with sources only, placeholders replaced by paths. The resolved derivation is
 * what is built, and its hash is what such a node is known by. Upstream: libstore/derivation/resolution.cc.
 */
import { derivationType, type Derivation, type DynamicInput } from './derivation.ts'
import { fillOutputPaths } from './derivation-hash.ts'
import { FormatError } from './errors.ts'
import { dynamicPlaceholder, upstreamPlaceholder } from './placeholder.ts'
import { rewriteString } from './rewriting.ts'

/**
 * Whether a derivation has to be resolved before it can be built. One whose own paths are known needn't be.
 * Fixed outputs are left as they are, since their inputs don't enter their path.
 */
export function needsResolution(derivation: Derivation): boolean {
  const dynamic = (derivation.dynamicInputs?.size ?? 0) > 0
  if (derivation.inputDerivations.size === 0 && !dynamic) return false
  const type = derivationType(derivation)
  return dynamic || type === 'floating' || type === 'deferred' || type === 'impure'
}

/**
 * The path of an input's output, absolute; undefined where it isn't realised yet. More than one name: an output of
 * the derivation that is the output before it.
 */
export type RealisedOutput = (drvPath: string, outputNames: readonly [string, ...string[]]) => string | undefined

/**
 * Resolves a derivation, or gives undefined where an input isn't realised. Outputs that were deferred get their paths.
 */
export function resolveDerivation(derivation: Derivation, realised: RealisedOutput): Derivation | undefined {
  const sources = new Set(derivation.inputSources)
  const rewrites = new Map<string, string>()
  const take = (drvPath: string, outputNames: readonly [string, ...string[]], placeholder: string): boolean => {
    const path = realised(drvPath, outputNames)
    if (path === undefined) return false
    sources.add(path)
    rewrites.set(placeholder, path)
    return true
  }
  const takeDynamic = (drvPath: string, before: readonly string[], nodes: ReadonlyMap<string, DynamicInput>): boolean =>
    [...nodes].every(([outputName, node]) => {
      const chain = [...before, outputName]
      return node.outputs.every((last) => {
        const names = [...chain, last] as unknown as readonly [string, ...string[]]
        return take(drvPath, names, dynamicPlaceholder(drvPath, names))
      }) && takeDynamic(drvPath, chain, node.dynamic)
    })

  for (const [drvPath, outputNames] of derivation.inputDerivations) {
    for (const outputName of outputNames) if (!take(drvPath, [outputName], upstreamPlaceholder(drvPath, outputName))) return undefined
  }
  for (const [drvPath, nodes] of derivation.dynamicInputs ?? []) if (!takeDynamic(drvPath, [], nodes)) return undefined

  const rewrite = (text: string): string => rewriteString(text, rewrites)
  const { dynamicInputs: _, ...others } = derivation
  const resolved: Derivation = {
    ...others,
    inputDerivations: new Map(),
    inputSources: [...sources].sort(),
    builder: rewrite(derivation.builder),
    args: derivation.args.map(rewrite),
    env: new Map([...derivation.env].map(([name, value]) => [rewrite(name), rewrite(value)])),
  }
  return fillOutputPaths(resolved, (drvPath) => {
    throw new FormatError(`a resolved derivation has an input derivation: '${drvPath}'`)
  })
}
