let
  function = { first, second ? 1 }: first;
in
function { frist = 1; first = 2; }
