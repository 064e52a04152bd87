#!/bin/sh
# Probes the running API with what its own OpenAPI description promises: no server error, no answer outside of the schema.
# Needs schemathesis (https://schemathesis.readthedocs.io): taken from the PATH, or installed with pip into a folder that is
# deleted at the end. Further arguments go to `schemathesis run`, for example: --max-examples 500 --include-operation-id getBuild
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM

if ! command -v schemathesis >/dev/null; then
  python3 -m venv "$work/venv" && "$work/venv/bin/pip" install --quiet schemathesis || {
    echo 'schemathesis is missing and could not be installed: pip install schemathesis' >&2
    exit 1
  }
  PATH="$work/venv/bin:$PATH"
fi

node="$root/node_modules/.bin/node"
"$node" "$root/api/testing/serve.ts" >"$work/address" 2>"$work/errors" &
server=$!
tries=0
until url=$(grep -m 1 '^http' "$work/address" 2>/dev/null); do
  tries=$((tries + 1))
  if ! kill -0 "$server" 2>/dev/null || [ "$tries" -gt 600 ]; then
    cat "$work/errors" >&2
    exit 1
  fi
  sleep 0.1
done

# The farm's own event stream never ends, so no answer to it is complete.
# ignored_auth does not apply to a farm on loopback, which is open.
cd "$work"
schemathesis run "$url/api/v1/openapi.json" --exclude-operation-id events --exclude-checks ignored_auth \
  --request-timeout 30 --max-examples 25 --workers 1 --generation-database none "$@"
