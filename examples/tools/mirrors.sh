#!/bin/sh
# Prints the --argstr options that name this machine's mirrors; see mirrors.ts.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/../../node_modules/.bin/node" --disable-warning=ExperimentalWarning "$here/mirrors.ts"
