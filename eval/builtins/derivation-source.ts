/**
 * Ring: eval. The `derivation` function in Nix itself: a set that knows its outputs and the path of its `.drv`, both computed
 * when they are asked for. Upstream counterpart: src/libexpr/primops/derivation.nix, which merges the arguments first: here the small sets are,
 * so that what is large is copied once.
 */
export const DERIVATION = `
arguments@{ outputs ? [ "out" ], ... }:

let
  instantiated = derivationStrict arguments;

  shared = builtins.listToAttrs members // {
    all = map (member: member.value) members;
    drvAttrs = arguments;
  };

  members = map
    (outputName: {
      name = outputName;
      value = arguments // (shared // {
        outPath = builtins.getAttr outputName instantiated;
        drvPath = instantiated.drvPath;
        type = "derivation";
        inherit outputName;
      });
    })
    outputs;
in
(builtins.head members).value
`

/** What importing a \`.drv\` gives. Upstream counterpart: src/libexpr/imported-drv-to-derivation.nix. */
export const IMPORTED_DERIVATION = `
imported@{ drvPath, outputs, name, ... }:

let
  shared = builtins.listToAttrs members // {
    all = map (member: member.value) members;
    inherit drvPath name;
    type = "derivation";
  };

  members = map
    (outputName: {
      name = outputName;
      value = shared // {
        outPath = builtins.getAttr outputName imported;
        inherit outputName;
      };
    })
    outputs;
in
(builtins.head members).value
`

/** What \`<nix/fetchurl.nix>\` is. Upstream counterpart: src/libexpr/fetchurl.nix. */
export const FETCHURL = `
{ system ? ""
, url
, hash ? ""
, md5 ? "", sha1 ? "", sha256 ? "", sha512 ? ""
, outputHash ?
    if hash != "" then hash
    else if sha512 != "" then sha512
    else if sha1 != "" then sha1
    else if md5 != "" then md5
    else sha256
, outputHashAlgo ?
    if hash != "" then ""
    else if sha512 != "" then "sha512"
    else if sha1 != "" then "sha1"
    else if md5 != "" then "md5"
    else "sha256"
, executable ? false
, unpack ? false
, name ? baseNameOf (toString url)
, impure ? false
}:

derivation ({
  inherit name url executable unpack;
  system = "builtin";
  builder = "builtin:fetchurl";
  outputHashMode = if unpack || executable then "recursive" else "flat";
  preferLocalBuild = true;
  impureEnvVars = [ "http_proxy" "https_proxy" "ftp_proxy" "all_proxy" "no_proxy" ];
  urls = [ url ];
} // (if impure then { __impure = true; } else { inherit outputHash outputHashAlgo; }))
`
