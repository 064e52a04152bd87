{
  integers = [ (1 + 2) (7 - 10) (6 * 7) (-7 / 2) (7 / -2) (0 - 0) (0 * -5) ];
  large = [ (9007199254740991 + 1) (9223372036854775806 + 1) (-9223372036854775807 - 1) (3037000499 * 3037000499) (9223372036854775807 / 3) (4611686018427387904 * -2) ];
  floats = [ (1 + 0.5) (1.5 * 2) (7.0 / 2) (0.1 + 0.2) 1.0e10 1.0e-7 123456789.0 (-1.5) ];
  texts = map toString [ 1.0 1.0e10 0.1 (1.0 / 3) 123456789.123 ];
  bits = [ (builtins.bitAnd 12 10) (builtins.bitOr 12 10) (builtins.bitXor 12 10) (builtins.bitAnd (-1) 4294967297) (builtins.bitOr (-4) 1) (builtins.bitXor (-1) 1) ];
  rounded = [ (builtins.ceil 1.2) (builtins.floor (-1.2)) (builtins.ceil 3) (builtins.floor 7.999) ];
  compared = [ (1 < 2) (1 < 1.5) (2.5 <= 2) ("a" < "b") ("a" < "B") ([ 1 2 ] < [ 1 3 ]) ([ 1 ] < [ 1 0 ]) (/a < /b) (3 >= 3) (1 == 1.0) ];
  shadowed = let __sub = a: b: "sub ${toString a} ${toString b}"; __lessThan = a: b: "less"; in [ (1 - 2) (1 < 2) (-5) ];
}
