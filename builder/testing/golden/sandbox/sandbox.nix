# What a build can see of its sandbox. sandbox.drv and sandbox.log were made from it by stock Nix 2.8 (see README.md).
let
  script = ''
    section() { echo "== $1"; }
    section environment; tr '\0' '\n' </proc/1/environ
    section command; tr '\0' '\n' </proc/1/cmdline | grep -n -E '^(sh|zero|one|-c|/nix/.*|/bin/.*)$'
    section user; id; umask; pwd; ulimit -c
    section input; readlink /proc/self/fd/0; cat
    section streams; echo out; echo err >&2; echo again >/dev/stderr; echo again >/dev/stdout
    section root; ls -1a /
    section dev; ls -1 /dev /dev/pts /dev/shm; for i in fd stdin stdout stderr; do readlink /dev/$i; done
    section etc; ls -1 /etc; for i in /etc/*; do echo "-- $i"; cat $i; done
    section modes; stat -c '%a %n' /build /tmp /nix/store
    section owners; stat -c '%u %g %n' /build
    section store; ls -1 /nix/store
    section files; ls -1a /build; for i in $(ls -1a /build | grep attr) graph; do echo "-- $i"; cat /build/$i; echo; done
    section kernel; hostname; cat /proc/sys/kernel/domainname; cat /proc/self/personality; uname -m
    section status; grep -E '^(NoNewPrivs|Seccomp|CapEff):' /proc/self/status | tr '\t' ' '
    section network; ifconfig -a | grep -E '^[a-z]|inet addr|UP'
    section refused
    touch x; chmod 4755 x; chmod g+s x; stat -c %a x
    echo y >>$input
    section allowed; mkdir /nix/store/y && rmdir /nix/store/y && mkdir /dev/shm/y && mkdir /tmp/y && echo yes
    section processes; cat /proc/1/comm; ls -d /proc/[0-9]* | grep -c -E '^/proc/1$'; ls -d /sys
    echo ok >$out
    mkdir $dev
  '';
  input = builtins.toFile "input" "in\n";
in
derivation {
  name = "sandbox";
  system = "x86_64-linux";
  builder = "/bin/sh";
  args = [ "-c" script "zero" "one" (builtins.placeholder "dev") ];
  outputs = [ "out" "dev" ];
  inherit input;
  PATH = "/bin";
  NIX_BUILD_TOP = "ignored";
  "with-dash" = "x y";
  empty = "";
  big = "in a file ${builtins.placeholder "out"}";
  passAsFile = [ "big" ];
  exportReferencesGraph = [ "graph" input ];
  umlaut = "ä";
}
