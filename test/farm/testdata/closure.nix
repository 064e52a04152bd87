# A program with references: to a text, and to the shell that it runs in. "shell" is a static busybox.
{ shell }:

let
  busybox = builtins.path { path = shell; name = "busybox"; };
  make = name: script: derivation {
    inherit name busybox;
    system = "x86_64-linux";
    builder = "/bin/sh";
    args = [ "-e" "-c" script ];
  };
  greeting = make "greeting" ''
    mkdir -p $out/share
    echo "hello from a store path" > $out/share/text
    ln -s text $out/share/link
  '';
in
make "program" ''
  mkdir -p $out/bin $out/empty
  cp $busybox $out/bin/busybox
  chmod +x $out/bin/busybox
  ln -s busybox $out/bin/cat
  echo "#! $out/bin/busybox sh" > $out/bin/greet
  echo "exec $out/bin/cat ${greeting}/share/link" >> $out/bin/greet
  chmod +x $out/bin/greet
''
