/** Ring: store. Whether entries come in the order of a NAR, in which case its hash can be taken in the same pass. */

/** Follows the directories that are open in a NAR under way. */
export class NarOrder {
  /** Paths of the open directories, and the last name met in each. */
  readonly #open: { readonly path: string; last: string }[] = []
  #started = false

  /** The directories that end before this entry; undefined where it would have had to come earlier. */
  next(path: string): string[] | undefined {
    if (!this.#started) {
      this.#started = true
      return path === '' ? [] : undefined
    }
    const slash = path.lastIndexOf('/')
    const parent = slash === -1 ? '' : path.slice(0, slash)
    const index = this.#open.findLastIndex((directory) => directory.path === parent)
    const directory = this.#open[index]
    const name = path.slice(slash + 1)
    if (path === '' || directory === undefined || name <= directory.last) return undefined
    directory.last = name
    return this.#open.splice(index + 1).map(({ path }) => path).reverse()
  }

  /** The entry that `next` let pass is a directory. */
  enter(path: string): void {
    this.#open.push({ path, last: '' })
  }

  /** The directories that are still open, the deepest first. */
  end(): string[] {
    return this.#open.splice(0).map(({ path }) => path).reverse()
  }
}
