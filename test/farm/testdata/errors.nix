# What can go wrong, one attribute each. "fine" and "also-fine" are built whatever becomes of the others.
{ url, closed }:

let
  tiny = name: script: derivation {
    inherit name;
    system = "x86_64-linux";
    builder = "/bin/sh";
    args = [ "-c" script ];
  };
  fetch = name: url: derivation {
    inherit name;
    system = "builtin";
    builder = "builtin:fetchurl";
    inherit url;
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = "0000000000000000000000000000000000000000000000000000";
    executable = false;
    unpack = false;
  };
  exit-code = tiny "exit-code" ''
    i=0; while [ $i -lt 40 ]; do i=$((i + 1)); echo line $i; done
    echo the last words >&2
    exit 1
  '';
in
{
  inherit exit-code;
  fine = tiny "fine" "echo fine > $out";
  dependent = tiny "dependent" "cat ${exit-code} > $out";
  killed = tiny "killed" "echo before the end; /bin/sh -c 'kill -9 $$'; exit $?";
  no-output = tiny "no-output" "echo nothing is written";
  wrong-hash = fetch "wrong-hash" "${url}/file";
  not-there = fetch "not-there" "${url}/missing";
  imported = import (tiny "imported.nix" "echo cannot make it; exit 3");

  syntax-error = import ./syntax-error.nix;
  infinite-recursion =
    let again = again + 1; in tiny "r" again;
  unknown-attribute =
    (tiny "t" "").nosuch;
  undefined-file = import ./nosuch.nix;
  thrown = throw "said so";
  also-fine = tiny "also-fine" "echo fine too > $out";
  refused = fetch "refused" "${closed}/file";
}
