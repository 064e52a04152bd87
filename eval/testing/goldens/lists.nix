let inherit (builtins) filter map sort genList foldl' elem elemAt head tail length all any concatMap concatLists partition genericClosure; in
{
  simple = [ (head [ 1 2 ]) (tail [ 1 2 ]) (length [ 1 2 3 ]) (elemAt [ 1 2 3 ] 1) ([ 1 ] ++ [ ] ++ [ 2 3 ]) (elem 2 [ 1 2 ]) (elem { a = 1; } [ { a = 1; } ]) ];
  mapped = map (x: x * x) (genList (x: x) 5);
  filtered = filter (x: x != 2) [ 1 2 3 2 ];
  sorted = [ (sort builtins.lessThan [ 3 1 2 ]) (sort (a: b: a.k < b.k) [ { k = 2; v = 1; } { k = 1; v = 2; } { k = 2; v = 3; } { k = 1; v = 4; } ]) (sort (a: b: a > b) [ "b" "c" "a" ]) ];
  folded = foldl' (a: x: a + x) 0 (genList (x: x) 1000);
  lazyFold = foldl' (a: x: x) (throw "never") [ 1 ];
  tests = [ (all (x: x > 0) [ 1 2 ]) (any (x: x > 1) [ 1 2 ]) (all (x: false) [ ]) (any (x: throw "never") [ ]) (any (x: x == 1 || throw "never") [ 1 2 ]) ];
  concatenated = [ (concatMap (x: [ x x ]) [ 1 2 ]) (concatLists [ [ 1 ] [ ] [ 2 3 ] ]) ];
  parted = partition (x: x > 2) [ 1 2 3 4 ];
  closure = map (x: x.key) (genericClosure { startSet = [ { key = 1; } ]; operator = x: if x.key < 20 then [ { key = x.key * 2; } { key = x.key + 3; } ] else [ ]; });
  listKeys = map (x: x.v) (genericClosure { startSet = [ { key = [ 1 "a" ]; v = 1; } { key = [ 1 "b" ]; v = 2; } { key = [ 1 "a" ]; v = 3; } ]; operator = x: [ ]; });
  mixedKeys = map (x: x.key) (genericClosure { startSet = [ { key = 1; } { key = 1.0; } { key = 2.5; } { key = 2; } ]; operator = x: [ ]; });
  lazy = length [ (throw "never") 1 ];
}
