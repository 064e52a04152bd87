# Found by comparing random expressions with Nix: the middle between two roundings goes to the even digit.
[
  (toString (-35347382698334.6953125))
  (toString 35347382698334.6953125)
  (toString 0.00000762939453125)
  (toString 1.0000005)
  100000.5
  100001.5
  (-100000.5)
  1234565.0
  1234575.0
  0.5
  2.5
  1.5e300
]
