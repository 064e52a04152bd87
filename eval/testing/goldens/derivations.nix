let
  drv = args: derivation ({ name = "test"; system = "x86_64-linux"; builder = "/bin/sh"; } // args);
  simple = drv { };
  multi = drv { outputs = [ "out" "dev" "lib" ]; text = "${simple}/bin ${simple.drvPath}"; };
  fixed = drv { name = "source.tar.gz"; outputHash = "0ssi1wpaf7plaswqqjwigppsg5fyh99vdlb9kzl7c9lng89ndq1i"; outputHashAlgo = "sha256"; };
  fixedSri = drv { outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; outputHashMode = "recursive"; };
  structured = drv { __structuredAttrs = true; list = [ 1 "a" null true { b = 2.5; } ]; dep = multi.dev; env = { A = "1"; }; };
  path = drv { src = ./derivations; args = [ "-c" ./derivations/script.sh "${multi.lib}" ]; };
  files = drv { file = builtins.toFile "config" "text ${./derivations/script.sh}"; ignored = null; __ignoreNulls = true; };
  nested = drv { list = [ simple [ multi.dev fixed ] ]; flag = true; off = false; number = 42; float = 1.5; };
in
{
  paths = map (d: { inherit (d) drvPath outPath name type outputName; }) [ simple multi multi.dev fixed fixedSri structured path files nested ];
  outputs = map (o: o.outPath) multi.all;
  names = builtins.attrNames multi;
  contexts = map builtins.getContext [ "${simple}" simple.drvPath "${multi.dev} ${multi.lib} ${./derivations}" (builtins.unsafeDiscardOutputDependency simple.drvPath) (builtins.unsafeDiscardStringContext "${simple}") ];
  appended = builtins.getContext (builtins.appendContext "x" (builtins.getContext "${multi.dev}${simple.drvPath}"));
  has = [ (builtins.hasContext "${simple}") (builtins.hasContext "x") ];
  sources = [ "${./derivations}" "${./derivations/script.sh}" (builtins.path { path = ./derivations; name = "renamed"; }) (builtins.path { path = ./derivations; filter = p: t: baseNameOf p != "script.sh"; }) (builtins.path { path = ./derivations/script.sh; recursive = false; }) (builtins.filterSource (p: t: t == "regular") ./derivations) ];
  placeholders = map placeholder [ "out" "dev" ];
  equal = [ (simple == simple) (simple == multi) (multi == multi.dev) ];
}
