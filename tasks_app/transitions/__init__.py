"""The only writer of status, step, run and lease.

Every function is one guarded UPDATE, or a few of them behind a lock of the task's row; the lock order is task
before part everywhere. A worker's identity is a fence: run and attempt (and step and phase of a task) stand in
every WHERE, so that one whose lease ran out changes nothing. Leases are reckoned by the database's clock.
"""

from tasks_app.transitions.claims import (
    claim_part,
    claim_task,
    extend_lease,
    hand_back,
    release_lost_part,
    release_lost_task,
)
from tasks_app.transitions.ends import (
    cancel,
    delete,
    end_phase,
    end_task,
    fail_part,
    fail_task,
    finish_part,
    finish_task,
    open_step,
    quarantine_part,
    quarantine_task,
    settle_parts,
)
from tasks_app.transitions.fences import (
    FREE,
    ROWS_PER_TRANSACTION,
    Artefact,
    Fence,
    FenceLost,
    PartFence,
    TaskFence,
    delete_in_batches,
    lease_end,
    lease_lost,
    locked,
    sent_long_ago,
    store_errors,
)
from tasks_app.transitions.plans import (
    add_parts,
    clear_unplanned_parts,
    create,
    dispatch_parts,
    mark_sent,
    start_parts,
)
from tasks_app.transitions.reruns import (
    rerun,
    restart,
    resume,
)

__all__ = [
    "FREE",
    "ROWS_PER_TRANSACTION",
    "Artefact",
    "Fence",
    "FenceLost",
    "PartFence",
    "TaskFence",
    "add_parts",
    "cancel",
    "claim_part",
    "claim_task",
    "clear_unplanned_parts",
    "create",
    "delete",
    "delete_in_batches",
    "dispatch_parts",
    "end_phase",
    "end_task",
    "extend_lease",
    "fail_part",
    "fail_task",
    "finish_part",
    "finish_task",
    "hand_back",
    "lease_end",
    "lease_lost",
    "locked",
    "mark_sent",
    "open_step",
    "quarantine_part",
    "quarantine_task",
    "release_lost_part",
    "release_lost_task",
    "rerun",
    "restart",
    "resume",
    "sent_long_ago",
    "settle_parts",
    "start_parts",
    "store_errors",
]
