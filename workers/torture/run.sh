#!/usr/bin/env bash
# `run.sh KILLS`: torture on SQLite with our own queue, then on PostgreSQL and Redis; both must give the same results.
# Not at once: the times of the promises are measured. From 500 kills on the deliberate bugs and ten thousand cancel
# races a back end too. SEED chooses another plan of faults.
set -euo pipefail
cd "$(dirname "$0")/../.."

kills="$1" seed="${SEED:-1}"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

torture() {
    local name="$1"
    shift
    echo "$name: manage.py torture --seed $seed $*"
    "$BIN/python" manage.py torture --seed "$seed" "$@" 2>&1 | sed -u "s/^/$name  /"
}

on_sqlite() { torture sqlite --kills "$kills" --digests "$folder/sqlite"; }

on_postgresql() {
    torture postgresql --kills "$kills" --digests "$folder/postgresql" --database "$1" --queue "${TEST_REDIS_URL:-}"
}

server="${TEST_DATABASE_URL:-}"
if [[ -z "$server" ]] && compgen -G "/usr/lib/postgresql/*/bin/pg_ctl" > /dev/null; then
    server=own
fi

on_sqlite
if [[ -n "$server" ]]; then
    on_postgresql "$server"
    cmp "$folder/sqlite" "$folder/postgresql" || { echo "the back ends gave different results"; exit 1; }
else
    echo "TEST_DATABASE_URL is not set and no PostgreSQL is installed: only SQLite was tortured"
fi

if ((kills >= 500)); then
    for bug in no_fencing two_step_finish ack_before_commit early_rename; do
        torture "$bug" --kills 100 --bug "$bug"
    done
    export TEST_CANCEL_RACES=10000
    "$BIN/python" -m pytest tests/engine/test_torture_cancels.py
    if [[ -n "${TEST_DATABASE_URL:-}" ]]; then
        DATABASE_URL="$TEST_DATABASE_URL" REDIS_URL="${TEST_REDIS_URL:-}" \
            "$BIN/python" -m pytest tests/engine/test_torture_cancels.py
    else
        echo "TEST_DATABASE_URL is not set: cancels raced on SQLite only"
    fi
fi
