#!/usr/bin/env bash
# All tests on SQLite with our own queue and, beside it, on the servers that the environment names.
set -euo pipefail
cd "$(dirname "$0")/.."

on_sqlite() { env -u DATABASE_URL -u REDIS_URL "$BIN/python" -m pytest "$@"; }
on_servers() { DATABASE_URL="$TEST_DATABASE_URL" REDIS_URL="$TEST_REDIS_URL" "$BIN/python" -m pytest "$@"; }

if [[ -z "${TEST_DATABASE_URL:-}" && -z "${TEST_REDIS_URL:-}" ]]; then
    echo "== SQLite, our own queue"
    on_sqlite "$@"
    echo "== TEST_DATABASE_URL and TEST_REDIS_URL are not set: PostgreSQL and Redis were not tested"
    exit
fi

: "${TEST_DATABASE_URL:?set it together with TEST_REDIS_URL}" "${TEST_REDIS_URL:?set it together with TEST_DATABASE_URL}"
log="$(mktemp)"
on_servers "$@" > "$log" 2>&1 &
servers=$!
trap 'kill "$servers" 2> /dev/null || true; rm -f "$log"' EXIT
failed=0
echo "== SQLite, our own queue"
on_sqlite "$@" || failed=$?
wait "$servers" || failed=$?
echo "== the database of TEST_DATABASE_URL, the queue of TEST_REDIS_URL"
cat "$log"
exit "$failed"
