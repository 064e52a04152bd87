/**
 * Ring: evaluator. Runs a process that was started ahead of need through what most expressions do, in a folder of its own, so that code is
 * loaded and compiled when the first evaluation comes: that takes a tenth of a second off it. Imports that wait, and are tried again when
 * what they need is there, are among it. Nothing of it is kept.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { EvaluationSettings, EvaluatorMessage, Need, NeedAnswer } from '../contract/evaluations.ts'
import { EvaluationSession } from '../eval/session.ts'
import { parseDerivation } from '../nix/derivation.ts'
import { derivationName, parseStorePath } from '../nix/store-path.ts'
import { FileIO } from './file-io.ts'
import { byteStringOfNative } from './paths.ts'

const SETTINGS: EvaluationSettings = {
  currentSystem: 'x86_64-linux', nixVersion: '2.26.3', mode: 'impure', allowedUris: [], allowedPaths: [], searchPath: [], allowImportFromDerivation: true, showTrace: false,
}

const PACKAGES = `
  { system ? "x86_64-linux", ... }@arguments:
  let
    inherit (builtins) attrNames concatStringsSep elemAt filter foldl' fromJSON genList hasAttr head length listToAttrs map mapAttrs readFile replaceStrings toJSON toString;
    lock = fromJSON (readFile ./lock.json);
    make = { name, dependencies ? [ ], ... }@given: derivation ({
      inherit name system dependencies;
      builder = "/bin/sh";
      args = [ "-c" "echo \${concatStringsSep " " (map toString dependencies)} > $out" ];
    } // removeAttrs given [ "name" "dependencies" ]);
    fetched = mapAttrs (name: { url, sha256, ... }: make { inherit name url; outputHash = sha256; outputHashAlgo = "sha256"; outputHashMode = "flat"; }) lock;
    chain = genList (index: make { name = "chain-\${toString index}"; dependencies = if index == 0 then [ ] else [ (elemAt chain (index - 1)) ]; }) 20;
    imported = name: import (make { inherit name; });
    set = rec { a = 1; b = a + length chain; c = with builtins; if b > 2 && !(hasAttr "x" arguments) then foldl' (x: y: x + y) 0 [ 1 2 3 ] else assert false; null; };
  in
  fetched // listToAttrs (map (value: { inherit (value) name; inherit value; }) chain)
  // listToAttrs (genList (index: { name = "importing-\${toString index}"; value = make { name = "importing"; dependencies = [ (make (imported "imported-\${toString index}")) ]; }; }) 40)
  // {
    recurseForDerivations = true;
    together = make { name = "together"; dependencies = map (index: make (imported "imported-together-\${toString index}")) (genList (index: index) 40); };
    top = make { name = "top-\${toString set.c}"; dependencies = filter (one: one ? drvPath) (chain ++ builtins.attrValues fetched); text = toJSON { inherit (head chain) name; }; path = replaceStrings [ "a" ] [ "b" ] (toString ./lock.json); };
  }
`
/** What is built for an import. */
const IMPORTED = '{ name = "imported"; }'
const LOCK = JSON.stringify(Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`package-${index}`, { url: `https://example.org/${index}`, sha256: String(index).padStart(64, '0') }])))

/** Needs that are answered at once. */
const ANSWERED = 5

/** `emit` gets what an evaluation would say: for tests. Where there is no room for files, the process starts cold. */
export function warmUp(emit: (message: EvaluatorMessage) => void = () => undefined): void {
  let folder: string
  try {
    folder = mkdtempSync(join(tmpdir(), 'firn-evaluator-'))
  } catch {
    return
  }
  try {
    evaluateIn(folder, emit)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function evaluateIn(folder: string, emit: (message: EvaluatorMessage) => void): void {
  const store = join(folder, 'store')
  mkdirSync(store)
  writeFileSync(join(folder, 'default.nix'), PACKAGES)
  writeFileSync(join(folder, 'lock.json'), LOCK)
  const io = new FileIO({
    storeFolders: [byteStringOfNative(store)], environment: new Map(), journal: {}, asksForUnknownPaths: true, scratchFolder: () => folder,
    add: emit, record: () => undefined, trace: () => undefined,
  })
  const needs: Need[] = []
  const session = new EvaluationSession({
    io, settings: SETTINGS,
    emit: (message) => {
      if (message.kind === 'needs') needs.push(...message.needs)
      emit(message)
    },
    request: { source: { kind: 'file', path: join(folder, 'default.nix') }, attributes: [], arguments: {}, recurse: true, settings: {}, dryRun: false, priority: 3 },
  })
  while (session.sweep() === 'idle') {
    const answers = needs.splice(0, ANSWERED).map((need) => answer(io, store, need))
    if (answers.length === 0) return
    io.answer(answers)
    session.answer(answers.map(({ key }) => key))
  }
}

/** Builds what an import waits for. */
function answer(io: FileIO, store: string, need: Need): NeedAnswer {
  if (need.kind !== 'realise') return { key: need.key, ok: false, message: 'not needed for warming up' }
  const output = parseDerivation(io.readDerivation(need.drvPath), derivationName(parseStorePath(need.drvPath))).outputs.get('out')
  const storePath = output !== undefined && 'path' in output ? output.path : ''
  const localPath = join(store, basename(storePath))
  writeFileSync(localPath, IMPORTED)
  return { key: need.key, ok: true, storePath, localPath }
}
