# What a build with structured attributes gets; see ../README.md.
let
  input = builtins.toFile "input" "in\n";
  script = ''
    echo "== environment"; tr '\0' '\n' </proc/1/environ
    echo "== shell"; cat /build/.attrs.sh
    echo "== json"; cat /build/.attrs.json; echo
    echo "== files"; ls -1a /build; stat -c '%a %u %g %n' /build/.attrs.*
    for i in $(grep -o '"/nix/store/[^"]*-structured[^"/]*"' /build/.attrs.json | tr -d '"'); do echo x >$i; done
  '';
in
derivation {
  name = "structured";
  system = "x86_64-linux";
  builder = "/bin/sh";
  args = [ "-c" script ];
  outputs = [ "out" "dev" ];
  __structuredAttrs = true;
  PATH = "/bin";
  number = 42;
  negative = -7;
  fraction = 1.5;
  yes = true;
  no = false;
  nothing = null;
  "with-dash" = "left out of the shell";
  quoted = "it's \"quoted\" \\ ä";
  list = [ "a" "b c" 1 ];
  nested = { inner = { deep = [ ]; }; };
  flat = { key = "value"; "other key" = 2; };
  placeholder = "${builtins.placeholder "out"}/bin";
  exportReferencesGraph.closure = [ input ];
}
