#!/bin/sh
# What `npm run demo`, `npm test` and their like call first. Needs node (any that npm runs on) and npm, no node_modules:
# brings the npm packages to what package-lock.json says, then goes on in Node 24 (infra/setup/main.ts), which installs
# what else the command needs. Where nothing is missing, that is one comparison of two files.
#
#   infra/setup/run.sh demo|test|conformance|chaos|bench|screenshots|setup [arguments]
set -eu
cd "$(dirname "$0")/../.."

for program in node npm; do
  command -v "$program" > /dev/null || {
    echo "firn: $program is missing. Install Node.js 20 or newer with npm (Debian: apt install nodejs npm) and start again." >&2
    exit 1
  }
done

# npm sets variables for the scripts it runs that would confuse an npm started from one
unset npm_config_global npm_config_prefix npm_config_local_prefix npm_command npm_lifecycle_event npm_lifecycle_script 2> /dev/null || true

if ! node infra/setup/packages.mjs --quiet; then
  echo "firn: installing npm packages (package-lock.json)" >&2
  npm ci --no-audit --no-fund --loglevel=error >&2
  node infra/setup/packages.mjs --repair >&2
fi

PATH="$PWD/node_modules/.bin:$PATH"
export PATH
exec node --disable-warning=ExperimentalWarning infra/setup/main.ts "$@"
