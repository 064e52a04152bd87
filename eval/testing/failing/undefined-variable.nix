let x = 1; in
{ a = 1; b = unknown; }
