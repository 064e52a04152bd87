let
  inherit (builtins) attrNames attrValues mapAttrs listToAttrs intersectAttrs removeAttrs catAttrs zipAttrsWith functionArgs;
  base = { a = 1; c = { d = 2; }; };
in
{
  nested = { a.b.c = 1; a.b.d = 2; a.e = 3; "quoted name".x = 4; ${"dyn" + "amic"} = 5; ${null} = 6; };
  merged = { a = 1; b = 2; } // { b = 3; c = 4; } // { } // { a = 5; };
  recursive = rec { x = y; y = z + 1; z = 1; inherit base; inherit (base) a; };
  overridden = rec { __overrides = { a = 10; z = 3; }; a = 1; b = a + 1; };
  legacy = let { body = x + 1; x = 2; };
  selected = [ base.a (base.b or 7) (base.c.d or 8) (base.c.e.f or 9) (base ? c.d) (base ? c.e) (base.c ? "d") ((x: x).y or 1) ];
  listed = [ (attrNames { z = 1; a = 2; "1" = 3; }) (attrValues { z = 1; a = 2; }) ];
  mapped = mapAttrs (n: v: "${n}=${toString v}") { a = 1; b = 2; };
  fromList = listToAttrs [ { name = "a"; value = 1; } { name = "b"; value = 2; } { name = "a"; value = 3; } ];
  common = [ (intersectAttrs { a = 1; b = 2; } { b = 3; c = 4; }) (removeAttrs { a = 1; b = 2; } [ "a" "x" ]) (catAttrs "a" [ { a = 1; } { b = 0; } { a = 2; } ]) ];
  zipped = zipAttrsWith (n: vs: { inherit n vs; }) [ { a = 1; } { a = 2; b = 3; } ];
  arguments = [ (functionArgs ({ a, b ? 1, ... }: a)) (functionArgs (x: x)) (functionArgs map) ];
  grouped = builtins.groupBy (x: if x < 3 then "small" else "big") [ 1 2 3 4 ];
  withs = with { a = 1; b = 2; }; with { b = 3; }; [ a b ];
  staticWins = let a = 1; in with { a = 2; }; a;
  functor = { __functor = self: x: self.y + x; y = 1; } 2;
  equal = [ ({ a = 1; } == { a = 1; }) ({ a = 1; } == { a = 2; }) ([ { } ] == [ { } ]) ((x: x) == (x: x)) (let f = x: x; in [ f ] == [ f ]) ({ type = "derivation"; outPath = "/a"; x = 1; } == { type = "derivation"; outPath = "/a"; x = 2; }) ];
}
