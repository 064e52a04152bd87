# Found by comparing random expressions with Nix: digits of floats in JSON, sums of negative zeros.
map builtins.toJSON [
  (9007199254740993 * 0.1)
  (((builtins.fromJSON "1e2") - 9007199254740991) * 3)
  (36170086419038336 * 1.0)
  (-60798594969501696 * 1.0)
  0.1
  (builtins.fromJSON "5e-324")
  2.2250738585072014e-308
  1.7976931348623157e308
  123456789012345680.0
  9007199254740993.0
  (1 / 3.0)
  (builtins.fromJSON "-0.0" + builtins.fromJSON "-0.0")
  (builtins.fromJSON "-0.0")
]
