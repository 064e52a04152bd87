# Floating content-addressed outputs that refer to themselves and to each other; see ../README.md.
derivation {
  name = "floating";
  system = "x86_64-linux";
  builder = "/bin/sh";
  args = [ "-c" ''
    mkdir -p $out/bin $dev
    echo "self: $out" >$out/bin/self
    echo "twice: $out $out, and its library: $lib" >$out/bin/both
    chmod 755 $out/bin/both
    ln -s $out/bin/both $out/link
    ln $out/bin/both $out/hard
    echo "no path in here" >$out/plain
    echo "a library, on its own" >$lib
    echo "$out and $lib" >$dev/note
  '' ];
  outputs = [ "out" "dev" "lib" ];
  __contentAddressed = true;
  outputHashMode = "recursive";
  outputHashAlgo = "sha256";
  PATH = "/bin";
}
