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

# Well-formed is not always acceptable: conditions may not hold (412), inputs may not be there (422).
cat >"$work/schemathesis.toml" <<'END'
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 412, 413, 422, 429, "5xx"]
# It sends If-Match without the quotes that belong to an ETag.
[[operations]]
include-operation-id = ["putProject", "putJobset"]
checks.positive_data_acceptance.enabled = false
END
# The farm's own event stream never ends, so no answer to it is complete. Streams of bytes (tar, NAR, exports) are nothing it can make up.
# ignored_auth does not apply to a farm on loopback, which is open.
cd "$work"
schemathesis --config-file "$work/schemathesis.toml" run "$url/api/v1/openapi.json" --exclude-operation-id events --exclude-checks ignored_auth \
  --exclude-operation-id uploadSource --exclude-operation-id uploadDerivations \
  --request-timeout 30 --max-examples 25 --workers 1 --generation-database none "$@"
