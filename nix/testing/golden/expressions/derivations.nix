# Derivations of every kind, for the goldens of nix/derivation*.test.ts.
let
  make = name: attributes: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; } // attributes);
  emptySha256 = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
in
rec {
  plain = make "plain" { };
  escapes = make "escapes" {
    args = [ "-c" "echo \"quoted\" \\ \$x" "" "tab\tnewline\nreturn\r" ];
    text = "quote \" backslash \\ newline \n tab \t return \r dollar \${x} umlaut ü kanji 日本";
    trailing = "ends with a backslash \\";
  };
  outputs = make "outputs" { outputs = [ "out" "dev" "bin-1" ]; };
  reversed = make "reversed" { outputs = [ "zeta" "alpha" ]; };
  flat = make "flat.tar.gz" { outputHash = "da39a3ee5e6b4b0d3255bfef95601890afd80709"; outputHashAlgo = "sha1"; outputHashMode = "flat"; };
  flatOther = make "flat.tar.gz" { outputHash = "da39a3ee5e6b4b0d3255bfef95601890afd80709"; outputHashAlgo = "sha1"; outputHashMode = "flat"; url = "another address"; };
  recursive = make "recursive" { outputHash = emptySha256; outputHashAlgo = "sha256"; outputHashMode = "recursive"; };
  recursiveMd5 = make "recursive-md5" { outputHash = "d41d8cd98f00b204e9800998ecf8427e"; outputHashAlgo = "md5"; outputHashMode = "recursive"; };
  flatSha512 = make "flat-sha512" { outputHash = "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"; outputHashAlgo = "sha512"; outputHashMode = "flat"; };
  # The same outputs, however their sources are fetched.
  user = make "user" { inherit flat recursive; };
  userOther = make "user" { flat = flatOther; inherit recursive; };
  both = make "both" { one = user; other = userOther; development = outputs.dev; binary = outputs.bin-1; };
  source = make "source" { src = ./source.txt; text = builtins.toFile "text" "a text that refers to ${builtins.toFile "inner" "inner"}"; };
  ofDerivation = make "of-derivation" { drv = plain.drvPath; };
  structured = make "structured" {
    __structuredAttrs = true;
    outputs = [ "out" "lib" ];
    nested.value = [ 1 2.5 null true { x = "ü"; } ];
  };
  structuredOne = make "structured-one" { __structuredAttrs = true; input = outputs; list = [ 1 2.5 true null "ü" ]; set = { a = 1; b = "two"; }; };
  floating = make "floating" { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; input = both; };
  floatingFlat = make "floating-flat" { __contentAddressed = true; outputHashMode = "flat"; outputHashAlgo = "sha512"; self = builtins.placeholder "out"; };
  onFloating = make "on-floating" { outputs = [ "out" "doc" ]; input = floating; };
  floatingOnFloating = make "floating-on-floating" { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; outputs = [ "out" "doc" ]; input = floating; };
  impure = make "impure" { __impure = true; };
}
