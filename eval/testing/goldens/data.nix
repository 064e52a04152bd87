{
  json = builtins.fromJSON ''{"a": [1, 2.5, -3, 1e3, true, false, null, "é\u00e9\ud83d\ude00\n"], "b": {"c": {}}, "a b": "x"}'';
  numbers = map builtins.fromJSON [ "9223372036854775807" "-9223372036854775808" "0.1" "1E-5" ];
  printed = builtins.toJSON { a = 1; b = [ 1.5 0.1 1.0e25 "q\"\\\n\u0001é" ]; c = null; d = { outPath = "/x"; y = 1; }; e = { __toString = s: "t"; }; "f g" = true; };
  toml = fromTOML ''
    title = "x"
    [owner]
    name = 'literal \n'
    port = 0xff
    list = [ 1, 2, [ "a" ] ]
    [[fruit]]
    name = "apple"
    [fruit.physical]
    color = "red"
    [[fruit]]
    name = "banana"
    a.b.c = 1.5
  '';
  xml = builtins.toXML { a = 1; b = [ true "<&>\"" null ]; c = x: x; d = { a, b ? 1, ... }@all: a; e = 1.5; f = { type = "derivation"; drvPath = "/d"; outPath = "/o"; }; };
  types = map builtins.typeOf [ 1 1.0 "" true null [ ] { } (x: x) ./a map ];
}
