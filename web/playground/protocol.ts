/** Ring: web. What the playground's page and its worker say to each other. All texts are ordinary text, positions count UTF-16 units. */

/** Files by name; the first is what is evaluated. */
export type Files = Readonly<Record<string, string>>

export const MAIN_FILE = 'default.nix'

export interface EvaluateRequest {
  readonly id: number
  readonly files: Files
  readonly system: string
}

export interface TreeNode {
  readonly label: string
  readonly detail?: string
  readonly position?: number
  readonly children: readonly TreeNode[]
}

export interface Problem {
  readonly kind: string
  /** The first line. */
  readonly message: string
  /** As Nix prints it, with traces. */
  readonly text: string
  readonly place?: { readonly file: string; readonly position: number }
}

export interface ShownDerivation {
  readonly drvPath: string
  readonly name: string
  readonly system: string
  /** Output name → path; null where it isn't known before it is built. */
  readonly outputs: Readonly<Record<string, string | null>>
  readonly aterm: string
}

export interface EvaluateResult {
  readonly id: number
  readonly value?: { readonly text: string; readonly type: string }
  readonly problem?: Problem
  /** What the evaluation waits for: nothing builds or downloads here. */
  readonly needs: readonly string[]
  readonly derivations: readonly ShownDerivation[]
  readonly traces: readonly { readonly level: 'trace' | 'warn'; readonly text: string }[]
  readonly syntax?: TreeNode
  readonly compiled?: TreeNode
  readonly milliseconds: number
}
