# A small real set for continuous integration: few downloads, an import-from-derivation on a lock file that somebody published,
# a C program compiled and run. Everything comes from ../packages, so that the two can't drift apart.
{ debianMirror, npmRegistry, cratesMirror, system ? "x86_64-linux" }@args:

let
  pkgs = import ../packages args;
  inherit (pkgs.bootstrap) busybox cc run;
  lock = builtins.fromJSON (builtins.readFile ../packages/locks/sources.json);
in
{
  # sources downloaded, unpacked and compiled by one compiler call
  tree = run "tree" ./compile.sh { inherit cc; src = pkgs.fetchDebian lock.tree; };

  # the crates that hexyl's Cargo.lock names, found by importing what a derivation read out of it
  crates = pkgs.hexylVendor;

  # imports that need nothing of each other
  wide = import ../packages/synthetic/ifd-wide.nix { N = "5"; S = "0"; inherit busybox system; };
}
