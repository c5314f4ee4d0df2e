#!/usr/bin/env bash
# The suites against real servers that are not ours to ship. Today: PostgreSQL 15 from Debian, beside the embedded 18.
# Installs what it needs; a server that cannot be had is a failure, not a skip.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=/usr/lib/postgresql/15/bin
if [ ! -x "$bin/postgres" ]; then
  echo "Installing PostgreSQL 15 from Debian's packages …"
  export DEBIAN_FRONTEND=noninteractive
  as_root=(); [ "$(id -u)" = 0 ] || as_root=(sudo)
  # The package would otherwise start a cluster of its own.
  "${as_root[@]}" mkdir -p /etc/postgresql-common
  printf 'create_main_cluster = false\n' | "${as_root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends postgresql-15 >/dev/null
fi
"$bin/postgres" --version
HEADRACE_TEST_POSTGRES_BIN=$bin node scripts/test.mjs systems -- --project adapters test/sql test/kv test/unit-state test/run test/endpoint test/template -- tests/endpoints -k postgres
