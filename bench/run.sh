#!/usr/bin/env bash
# Measures Headrace and its rivals side by side and writes docs/benchmarks.md: bench/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
node scripts/setup.mjs python/requirements-dev.lock
npx tsc -b tsconfig.build.json
exec .venv/bin/python -m bench "$@"
