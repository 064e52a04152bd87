# Rust programs from crates, one derivation per unit of cargo's own build graph.
# Two imports from derivation: the lock file says what to fetch, and then
# the unit graph says what to compile, and how.
{ bootstrap, fetchCrate }:

let
  inherit (builtins) elemAt filter fromJSON genList head length listToAttrs match readFile;
  inherit (bootstrap) cc rustToolchain run;

  importJSON = drv: fromJSON (readFile drv);
in
rec {
  # what a program's lock file names: read out of the crate by the first import, then fetched
  lockedCrates = { name, version, sha256 }:
    let
      src = fetchCrate { inherit name version sha256; };
      id = "${name}-${version}";
      lock = importJSON (run "${id}-lock.json" ./lock-to-json.sh { inherit src id; });
      locked = filter (p: p.sha256 != null) lock;
    in
    {
      inherit src id lock;

      sources = listToAttrs (map
        (p: { name = "${p.name}-${p.version}"; value = fetchCrate p; })
        locked) // { ${id} = src; };

      # what cargo takes for a registry
      vendor = run "${id}-vendor" ./vendor.sh {
        crates = map (p: "${fetchCrate p}=${p.sha256}") locked;
      };
    };

  buildCrate = { name, version, sha256, cargoFlags ? "" }:
    let
      inherit (lockedCrates { inherit name version sha256; }) src id lock sources vendor;

      # second import: which units cargo would build, with features and edges
      graph = importJSON (run "${id}-units.json" ./unit-graph.sh {
        inherit src id vendor cargoFlags cc;
        rust = rustToolchain;
      });

      units = genList (i: mkUnit (elemAt graph.units i)) (length graph.units);

      mkUnit = unit:
        let
          pkg = match "([^ ]+) ([^ ]+) .*" unit.pkg_id;
          crate = "${elemAt pkg 0}-${elemAt pkg 1}";
          kind = head unit.target.kind;
          runs = unit.mode == "run-custom-build";
          isRun = d: (elemAt graph.units d.index).mode == "run-custom-build";
          deps = filter (d: !isRun d) unit.dependencies;
        in
        run "${crate}${if runs then "-script-run" else if kind == "custom-build" then "-script" else ""}" ./unit.sh {
          inherit cc crate kind;
          inherit (unit) mode features;
          inherit (unit.target) edition;
          rust = rustToolchain;
          src = sources.${crate};
          pkgName = elemAt pkg 0;
          pkgVersion = elemAt pkg 1;
          targetName = unit.target.name;
          # the path inside the crate
          mainFile = elemAt (match ".*/${crate}/(.*)" unit.target.src_path) 0;
          crateTypes = unit.target.crate_types;
          optLevel = unit.profile.opt_level;
          externs = map (d: "${d.extern_crate_name}=${elemAt units d.index}") deps;
          # a build script to run, or the results of those that were
          script = if runs then elemAt units (head deps).index else "";
          scriptRuns = map (d: elemAt units d.index) (filter isRun unit.dependencies);
        };
    in
    elemAt units (head graph.roots) // { inherit lock graph units vendor; };
}
