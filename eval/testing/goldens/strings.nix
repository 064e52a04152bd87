let inherit (builtins) substring stringLength replaceStrings split match concatStringsSep; in
{
  interpolated = "a${"b"}c${toString 1}${''d ${"e"}''}";
  indented = ''
      first
        second ''${not} ''\n '''
      ${"third"}
    fourth
  '';
  escapes = "\t\n\r\"\${}\\$";
  substrings = [ (substring 1 2 "abcd") (substring 2 100 "abcd") (substring 9 1 "abcd") (substring 1 (-1) "abcd") (substring 0 0 "abcd") ];
  bytes = [ (stringLength "é€") (substring 0 2 "éa") (stringLength "") ];
  replaced = [ (replaceStrings [ "a" "" ] [ "b" "-" ] "banana") (replaceStrings [ "" ] [ "X" ] "abc") (replaceStrings [ "oo" "o" ] [ "1" "2" ] "foooo") (replaceStrings [ ] [ ] "abc") (replaceStrings [ "abc" "ab" ] [ "1" "2" ] "ababc") ];
  parts = [ (split "(a)b" "abc") (split "([ac])" "abc") (split "(a)|(c)" "abc") (split "([[:upper:]]+)" " FOO ") (split "x*" "axb") ];
  matched = [ (match "ab" "abc") (match "a(b)(c)" "abc") (match "(a|ab)(c|bcd)(d*)" "abcd") (match "[[:space:]]+([[:upper:]]+)[[:space:]]+" "  FOO   ") (match "(.*)\\.nix" "a.b.nix") (match "a?(b)?" "a") ];
  joined = concatStringsSep ", " [ "a" "b" "c" ];
  texts = map toString [ true false null 1 [ 1 [ 2 3 ] [ ] 4 ] "x" /a/b { __toString = self: "own ${self.x}"; x = "y"; } { outPath = "out"; } ];
  versions = [ (builtins.compareVersions "1.0" "2.3") (builtins.compareVersions "2.1" "2.1pre") (builtins.compareVersions "2.3.1" "2.3a") (builtins.splitVersion "1.2.3-alpha4") (builtins.parseDrvName "hello-world-1.2-3") (builtins.parseDrvName "x") ];
  hashes = map (a: builtins.hashString a "abc") [ "md5" "sha1" "sha256" "sha512" ];
  names = [ (baseNameOf "/a/b/") (baseNameOf "x") (baseNameOf /a/b) (dirOf "/a/b") (dirOf /a/b) (dirOf "x") (dirOf "/x") ];
}
