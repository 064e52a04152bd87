let inherit (builtins) tryEval seq deepSeq; in
{
  tried = [ (tryEval 1) (tryEval (throw "x")) (tryEval (assert false; 1)) (tryEval { a = throw "y"; }).success (tryEval (deepSeq { a = throw "y"; } 1)) ];
  conditions = [ (if true then 1 else throw "never") (false && throw "never") (true || throw "never") (false -> throw "never") (!true) ];
  sequenced = [ (seq 1 2) (deepSeq [ 1 { a = 2; } ] 3) ];
  asserted = assert 1 == 1; assert { a = [ 1 ]; } == { a = [ 1 ]; }; "ok";
  inherited = let a = 1; b = { c = 2; }; in { inherit a; inherit (b) c; };
  shadowing = let x = 1; in let x = 2; f = x: x + 1; in [ x (f 10) ];
  lazyCycle = let x = { y = x; z = 1; }; in x.y.y.z;
  fixpoint = (let fix = f: let x = f x; in x; in fix (self: { a = 1; b = self.a + 1; c = self.b + 1; }));
  uri = [ http://example.org/x?y=1 ];
  deep = let build = n: if n == 0 then null else { next = build (n - 1); }; count = l: if l == null then 0 else 1 + count l.next; in count (build 200);
  longPath = { a.b.c.d.e.f = 1; }.a.b.c.d.e.f;
  environment = builtins.getEnv "FIRN_NO_SUCH_VARIABLE";
  position = { line = (builtins.unsafeGetAttrPos "tried" { tried = 1; }).line; current = __curPos.line; none = builtins.unsafeGetAttrPos "x" { }; };
}
