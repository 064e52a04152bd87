# Real programs, pinned by the crate's checksum.
{ callPackage }:

let
  rust = callPackage ./. { };

  hexyl = {
    name = "hexyl";
    version = "0.9.0";
    sha256 = "f823e021c22ebf3e1437685a9f3ceb2b93adb723e23dca2e4e38b47d3d49e447";
  };
in
{
  hexyl = rust.buildCrate hexyl;
  # its dependencies alone, which takes one import and no compiler
  hexylVendor = (rust.lockedCrates hexyl).vendor;

  ripgrep = rust.buildCrate {
    name = "ripgrep";
    version = "13.0.0";
    sha256 = "f37c9d2c2bc7e00bd2653e13771397b94e452583da9b9494eabef627618d64bf";
  };
}
