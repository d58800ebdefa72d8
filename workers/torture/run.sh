#!/usr/bin/env bash
# `run.sh KILLS`: torture on SQLite with our own queue, then on PostgreSQL and Redis; from 500 kills on the
# deliberate bugs and ten thousand cancel races too. SEED chooses another plan of faults.
set -euo pipefail
cd "$(dirname "$0")/../.."

kills="$1" seed="${SEED:-1}"

torture() {
    echo "== torture $*"
    "$BIN/python" manage.py torture --seed "$seed" "$@"
}

torture --kills "$kills"

if [[ -n "${TEST_DATABASE_URL:-}" ]]; then
    torture --kills "$kills" --database "$TEST_DATABASE_URL" --queue "${TEST_REDIS_URL:-}"
elif compgen -G "/usr/lib/postgresql/*/bin/pg_ctl" > /dev/null; then
    torture --kills "$kills" --database own --queue "${TEST_REDIS_URL:-}"
else
    echo "== TEST_DATABASE_URL is not set and no PostgreSQL is installed: only SQLite was tortured"
fi

if ((kills >= 500)); then
    for bug in no_fencing two_step_finish ack_before_commit early_rename; do
        torture --kills 100 --bug "$bug"
    done
    TEST_CANCEL_RACES=10000 "$BIN/python" -m pytest tests/engine/test_torture_cancels.py
fi
