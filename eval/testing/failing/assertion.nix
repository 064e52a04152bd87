let x = 1; in
assert x + 1 == 3 -> false; assert x == 2;
x
