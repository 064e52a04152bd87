/** Ring: web (playground). What one can begin with. The first is what the page opens with. */
import { type Files, MAIN_FILE } from './protocol.ts'

export interface Example {
  readonly name: string
  readonly title: string
  readonly files: Files
}

const one = (name: string, title: string, text: string): Example => ({ name, title, files: { [MAIN_FILE]: text } })

export const EXAMPLES: readonly Example[] = [
  one('derivation', 'A derivation and what depends on it', `# A package is a function's result: change anything and its path changes.
let
  system = builtins.currentSystem;

  message = derivation {
    name = "message";
    inherit system;
    builder = "/bin/sh";
    args = [ "-c" "echo snow falls > $out" ];
  };
in
{
  inherit message;

  # Mentioning an output makes it an input.
  shout = derivation {
    name = "shout";
    inherit system message;
    builder = "/bin/sh";
    args = [ "-c" "tr a-z A-Z < $message > $out" ];
  };
}
`),
  one('fixpoint', 'A fixpoint with overlays', `# How nixpkgs is put together: a function of its own result, and layers upon it.
let
  fix = f: let x = f x; in x;
  extends = overlay: f: final: let prev = f final; in prev // overlay final prev;
  compose = builtins.foldl' (f: overlay: extends overlay f);

  packages = final: {
    version = "1.0";
    tool = "tool-\${final.version}";
    all = [ final.tool final.version ];
  };

  newer = final: prev: { version = "2.0"; was = prev.version; };
  renamed = final: prev: { tool = "better-\${prev.tool}"; };
in
fix (compose packages [ newer renamed ])
`),
  one('laziness', 'Laziness: one failure stays where it is', `# Each attribute is evaluated for itself.
rec {
  fine = map (n: n * n) (builtins.genList (n: n + 1) 10);
  broken = throw "this one fails";
  untouched = if true then "still here" else broken;
  primes =
    let sieve = list: if list == [ ] then [ ] else
      let p = builtins.head list; in
      [ p ] ++ sieve (builtins.filter (n: n - (n / p) * p != 0) (builtins.tail list));
    in sieve (builtins.genList (n: n + 2) 40);
}
`),
  {
    name: 'files', title: 'Several files',
    files: {
      [MAIN_FILE]: `let
  lib = import ./lib.nix;
  settings = builtins.fromJSON (builtins.readFile ./settings.json);
in
lib.describe settings
`,
      'lib.nix': `{
  describe = { name, colours, ... }:
    "\${name} comes in \${builtins.concatStringsSep ", " colours}";
}
`,
      'settings.json': `{ "name": "firn", "colours": ["white", "blue"] }
`,
    },
  },
  one('import', 'An import from a derivation', `# Stock Nix stops here and builds. Firn's evaluator notes what it needs and
# goes on with the rest; in a farm, "generated" is built meanwhile.
let
  generated = derivation {
    name = "generated.nix";
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" "echo '{ answer = 42; }' > $out" ];
  };
in
{
  needsABuild = (import generated).answer;
  needsNothing = builtins.hashString "sha256" "firn";
}
`),
  one('error', 'An error and its trace', `let
  settings = { colour = "white"; depth = 3; };
  describe = s: "\${s.color}, \${toString s.depth} m deep";
in
describe settings
`),
]
