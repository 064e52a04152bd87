let
  inner = x: builtins.addErrorContext "while looking at ${toString x}" (x + "text");
  outer = y: inner (y * 2);
in
{ result = outer 21; }.result
