let
  set = { wanted = 1; other = 2; };
in
set.wantd
