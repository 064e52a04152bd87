/** Ring: store. A NAR as entries. */
import { readNar } from '../../nix/nar.ts'
import type { Entry } from './interface.ts'

/** Entries of a stream that holds one NAR and nothing else; FormatError for anything that Nix wouldn't have written. */
export async function* entriesOfNar(nar: AsyncIterable<Uint8Array>): AsyncGenerator<Entry, void, undefined> {
  for await (const event of readNar(nar)) {
    switch (event.kind) {
      case 'directory-start': yield { kind: 'directory', path: event.path }; break
      case 'directory-end': break
      case 'symlink': yield event; break
      case 'file': yield event; break
    }
  }
}
