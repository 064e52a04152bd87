# What `npm run demo` builds: packages of every kind, without those that take minutes each (perl and what is built with it,
# ripgrep), and the tests that run them.
{ debianMirror, npmRegistry, cratesMirror, system ? "x86_64-linux" }@args:

let
  pkgs = import ./default.nix args;
  tests = import ./tests.nix { inherit pkgs; };

  c = [
    "hello" "zlib" "bzip2" "xz" "lz4" "zstd" "ncurses" "readline" "lua" "pcre2" "grep" "sed" "patch" "gzip" "diffutils" "dash"
    "tree" "less"
  ];
  # their dependencies are read out of a Cargo.lock and a package-lock.json
  imported = [ "hexyl" "js-app" ];
  tested = [ "hello" "zlib" "zstd" "lua" "grep" "sed" "patch" "tree" "hexyl" "js-app" ];

  pick = set: names: builtins.listToAttrs (map (name: { inherit name; value = set.${name}; }) names);
in
builtins.mapAttrs (_: group: group // { recurseForDerivations = true; }) {
  packages = pick pkgs (c ++ imported);
  tests = pick tests tested;
}
