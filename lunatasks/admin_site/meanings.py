"""What statuses and steps mean, in the words of an operator, and the badges that show them."""

from django.utils.html import format_html
from django.utils.safestring import SafeString

from tasks_app.models import Task
from tasks_app.states import Status, Step

CSS_CLASS = {
    Status.PENDING: "pending",
    Status.IN_PROGRESS: "running",
    Status.CANCELLED: "cancelled",
    Status.FAILED: "failed",
    Status.COLLECT_RESULTS: "collecting",
    Status.DONE: "done",
}
SYMBOL = {
    Status.PENDING: "○",
    Status.IN_PROGRESS: "▶",
    Status.CANCELLED: "⊘",
    Status.FAILED: "✕",
    Status.COLLECT_RESULTS: "◑",
    Status.DONE: "✓",
}
MEANING = {
    Status.PENDING: "Waiting for a worker. Nothing has been done yet.",
    Status.CANCELLED: "Somebody cancelled it. It has no result; finished parts are kept for a rerun.",
    Status.FAILED: "It ended without a result; the errors below say why. A rerun keeps the finished parts.",
    Status.DONE: "It ended and its result is stored.",
}
MEANING_OF_STEP = {
    Step.SPLIT: "Its objects are being gathered and divided into parts.",
    Step.PARTS: "Workers run its parts.",
    Step.MERGE: "All parts have ended; their results are being put together.",
    Step.RESUME: "It is run again: unfinished parts are put back, finished ones are kept.",
    Step.RESTART: "It is run again from the start: what the last run left is being cleared away.",
}


def badge(status: int) -> SafeString:
    """The status as symbol, word and colour."""
    known = Status(status)
    return format_html(
        '<span class="badge badge-{}"><span aria-hidden="true">{}</span> {}</span>',
        CSS_CLASS[known],
        SYMBOL[known],
        known.label,
    )


def meaning(task: Task) -> str:
    """One sentence on where the task stands."""
    waits = task.task_status == Status.PENDING and task.step in (Step.RESUME, Step.RESTART)
    if task.task_status in MEANING and not waits:
        return MEANING[Status(task.task_status)]
    return MEANING_OF_STEP[Step(task.step)]
