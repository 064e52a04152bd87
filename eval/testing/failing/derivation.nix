(derivation { name = "broken"; system = "x"; builder = "/bin/sh"; value = { a = 1; }; }).drvPath
