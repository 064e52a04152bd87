/**
 * Ring: evaluator. Runs a process that was started ahead of need through what most expressions do, in a world of its own in memory, so
 * that code is loaded and compiled when the first evaluation comes: that takes a tenth of a second off it. Imports that wait, and are tried again when
 * what they need is there, are among it. Nothing of it is kept.
 */
import type { EvaluationSettings, EvaluatorMessage, Need } from '../contract/evaluations.ts'
import { MemoryIO } from '../eval/memory-io.ts'
import { EvaluationSession } from '../eval/session.ts'

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

/** `emit` gets what an evaluation would say: for tests. */
export function warmUp(emit: (message: EvaluatorMessage) => void = () => undefined): void {
  const io = new MemoryIO()
  io.makeFolder('/warm-up')
  io.writeFile('/warm-up/default.nix', Buffer.from(PACKAGES))
  io.writeFile('/warm-up/lock.json', Buffer.from(LOCK))
  const needs: Need[] = []
  const session = new EvaluationSession({
    io, settings: SETTINGS,
    emit: (message) => {
      if (message.kind === 'needs') needs.push(...message.needs)
      emit(message)
    },
    request: { source: { kind: 'file', path: '/warm-up/default.nix' }, attributes: [], arguments: {}, recurse: true, settings: {}, dryRun: false, priority: 3 },
  })
  while (session.sweep() === 'idle') {
    const answered = needs.splice(0, ANSWERED)
    if (answered.length === 0) return
    for (const need of answered) if (need.kind === 'realise') io.finishRealise(need.drvPath, { out: IMPORTED })
    session.answer(answered.map(({ key }) => key))
  }
}
