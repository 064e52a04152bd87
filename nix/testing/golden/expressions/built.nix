# Derivations that are built by stock Nix, for what only a build shows: content addresses with self-references,
# resolved derivations, and the files that a builder finds.
let
  make = name: attributes: derivation ({ inherit name; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/bin"; } // attributes);
  floating = { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; };
in
rec {
  selfReferent = make "self-referent" (floating // {
    args = [ "-c" "mkdir $out; echo $out > $out/self; echo a$out/b$out >> $out/self; ln -s $out/self $out/link" ];
  });
  dependent = make "dependent" { inherit selfReferent; args = [ "-c" "mkdir $out; echo $selfReferent > $out/x" ]; };
  floatingDependent = make "floating-dependent" (floating // { inherit selfReferent; args = [ "-c" "echo \"$selfReferent/x ${selfReferent}\" > $out" ]; });
  text = builtins.toFile "text" "refers to ${builtins.toFile "inner" "inner"}";
  structured = make "structured" {
    __structuredAttrs = true;
    outputs = [ "out" "dev" ];
    string = "it's \"quoted\" \$x \\ ü\nline";
    integer = 42;
    negative = -7;
    large = 9007199254740993;
    whole = 3.0;
    fraction = 2.5;
    tiny = 1.0e-7;
    huge = 1.0e20;
    yes = true;
    no = false;
    nothing = null;
    list = [ 1 "two" true null 4.0 ];
    emptyList = [ ];
    mixed = [ 1 [ 2 ] ];
    set = { a = 1; "it's" = "b"; "日本" = false; };
    emptySet = { };
    deep = { a = { b = 1; }; };
    "odd-name" = 1;
    _underscore1 = "fine";
    exportReferencesGraph.closure = [ text ];
# (NIX_ATTRS_SH_FILE of Nix 2.8 names a path outside of its sandbox)
    # busybox's sh has no arrays; placeholders in arguments are replaced in any case
    args = [ "-c" "mkdir ${builtins.placeholder "out"}; cp .attrs.sh ${builtins.placeholder "out"}/sh; cp .attrs.json ${builtins.placeholder "out"}/json; echo > ${builtins.placeholder "dev"}" ];
  };
  graph = make "graph" { exportReferencesGraph = [ "closure" text ]; args = [ "-c" "cp closure $out" ]; };
  passed = make "passed" { passAsFile = [ "long" ]; long = "a long text"; args = [ "-c" "echo $longPath > $out; cat $longPath >> $out" ]; };
}
