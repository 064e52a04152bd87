# What a value is, as a text: types, attribute names, contexts, everything inside.
let
  description = describe 0;
  describe = depth: value:
    let
      type = builtins.typeOf value;
      inner = describe (depth + 1);
      quoted = text: builtins.concatStringsSep "'" [ "" text "" ];
    in
    if depth > 30 then "deep"
    else if type == "set" then "{${builtins.concatStringsSep " " (map (name: "${quoted name}=${inner value.${name}};") (builtins.attrNames value))}}"
    else if type == "list" then "[${builtins.concatStringsSep " " (map inner value)}]"
    else if type == "string" then quoted value + (if builtins.hasContext value then inner (builtins.getContext value) else "")
    else if type == "lambda" then "<function ${if builtins.functionArgs value == { } then "" else inner (builtins.functionArgs value)}>"
    else if type == "float" then "float ${toString value} ${builtins.toJSON value}"
    else "${type} ${toString value}";
in
{
  inherit description;
  hash = value: builtins.hashString "sha256" (description value);
}
