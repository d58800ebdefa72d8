#!/usr/bin/env bash
# All tests on SQLite with our own queue, then again on the servers the environment names.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== SQLite, our own queue"
env -u DATABASE_URL -u REDIS_URL "$BIN/python" -m pytest "$@"

if [[ -n "${TEST_DATABASE_URL:-}" || -n "${TEST_REDIS_URL:-}" ]]; then
    : "${TEST_DATABASE_URL:?set it together with TEST_REDIS_URL}" "${TEST_REDIS_URL:?set it together with TEST_DATABASE_URL}"
    echo "== the database of TEST_DATABASE_URL, the queue of TEST_REDIS_URL"
    DATABASE_URL="$TEST_DATABASE_URL" REDIS_URL="$TEST_REDIS_URL" "$BIN/python" -m pytest "$@"
else
    echo "== TEST_DATABASE_URL and TEST_REDIS_URL are not set: PostgreSQL and Redis were not tested"
fi
