let inherit (builtins) readFile readDir pathExists; in
{
  read = readFile ./derivations/sub/file.txt;
  through = readFile ./derivations/link;
  listed = readDir ./derivations;
  exist = map pathExists [ ./derivations ./derivations/link ./nothing ./derivations/script.sh (toString ./derivations + "/") (toString ./derivations/script.sh + "/") ];
  imported = (import ./imported { x = 1; }).y;
  folder = import ./imported { x = 5; };
  scoped = scopedImport { extra = 3; builtins = { }; } ./imported/scoped.nix;
  hashed = builtins.hashFile "sha256" ./derivations/sub/file.txt;
  kinds = map builtins.typeOf [ ./a (./. + "/b") (./. + "/../c") ];
  joined = [ (baseNameOf (./derivations + "/sub")) (baseNameOf ./${"x"}y/z) ((./derivations + "/sub/..") == ./derivations) ];
  searched = let __nixPath = [ { prefix = "own"; path = toString ./imported; } { path = toString ./derivations; } ]; in [ (baseNameOf <own/scoped.nix>) (baseNameOf <script.sh>) ];
}
