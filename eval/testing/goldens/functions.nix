let
  curried = a: b: c: [ a b c ];
  partial = curried 1;
  pattern = { a, b ? a + 1, ... }@all: [ a b (builtins.attrNames all) ];
  late = { a ? b, b ? 2 }: [ a b ];
  mixed = x: { y, z ? x }: w: [ x y z w ];
  half = mixed 1 { y = 2; };
  inLet = a: let b = a + 1; in c: let d = b + c; in [ a b c d ];
  stepped = inLet 1;
  compose = f: g: x: f (g x);
  even = n: if n == 0 then true else odd (n - 1);
  odd = n: if n == 0 then false else even (n - 1);
in
{
  partials = [ (partial 2 3) (partial 4 5) ((curried 1 2) 3) (let p = partial 2; in [ (p 3) (p 4) ]) ];
  patterns = [ (pattern { a = 1; }) (pattern { a = 1; b = 5; c = 6; }) (late { }) (late { b = 3; }) ];
  mixed = [ (half 3) (half 4) (mixed 1 { y = 2; z = 9; } 5) ];
  lets = [ (stepped 10) (stepped 20) ];
  composed = map (compose (x: x * 2) (x: x + 1)) [ 1 2 3 ];
  mutual = [ (even 100) (odd 7) ];
  builtin = [ (map (builtins.sub 10) [ 1 2 ]) (builtins.foldl' (a: b: a * 10 + b) 0 [ 1 2 3 ]) ];
  tooMany = (a: b: c: d: e: [ a b c d e ]) 1 2 3 4 5;
  lazyArgument = (x: 1) (throw "never");
  pathFunction = ({ path ? ./x, ... }: builtins.typeOf path) { };
}
