#!/usr/bin/env bash
# Prints our figures, each beside raw COPY of the same table in the same run. Takes a few minutes and about 3 GB of disk.
set -euo pipefail
cd "$(dirname "$0")/.."
node scripts/setup.mjs python/requirements-dev.lock
npx tsc -b tsconfig.build.json
exec .venv/bin/python bench/bench.py "$@"
