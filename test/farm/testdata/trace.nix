# An import, a node with an input, and a slow node that two evaluations share. "which" tells the evaluations apart.
{ which }:

let
  tiny = name: script: derivation {
    inherit name;
    system = "x86_64-linux";
    builder = "/bin/sh";
    args = [ "-c" script ];
  };
  shared = tiny "shared" "while ! test -e $out; do sleep 1; i=x$i; test $i != xxxxxxxx || echo shared > $out; done";
  imported = import (tiny "imported-${which}.nix" "echo '\"value\"' > $out");
in
{
  top = tiny "top-${which}" "cat ${shared} > $out";
  after-import = tiny "after-import-${which}" "echo ${imported} > $out";
}
