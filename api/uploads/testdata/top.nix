let
  source = builtins.toFile "greeting.txt" "hello from a text\n";
  dep = derivation { name = "dep"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo dep > $out; echo dev > $dev" ]; outputs = [ "out" "dev" ]; };
  fixed = derivation { name = "fixed.txt"; system = "builtin"; builder = "builtin:fetchurl"; url = "https://example.org/fixed.txt"; outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; outputHashMode = "flat"; };
in derivation { name = "top"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "cat ${source} ${dep.dev} ${fixed} ${./tree} > $out" ]; }
