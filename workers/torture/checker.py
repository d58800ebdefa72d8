"""What no history of tasks and parts may hold.

Events come in the order of their ids. PostgreSQL draws an id when the change is made and shows it at the commit, so
that two changes which no lock puts in order may stand the other way round; where that matters, a rule says so.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from tasks_app.states import ACTIVE, TERMINAL, Status, Step
from workers.torture.history import Event

TERMINAL_VALUES = {int(status) for status in TERMINAL}
ACTIVE_VALUES = {int(status) for status in ACTIVE}
DONE, IN_PROGRESS, PENDING = int(Status.DONE), int(Status.IN_PROGRESS), int(Status.PENDING)
OVERTAKEN_SECONDS = 5.0
"""A claim may be made while the end of its task is being committed: it has seen the task as it was before. Such a
claim is cancelled by what settles the parts of ended tasks."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, and how."""

    promise: str
    text: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.text}"


@dataclass
class Known:
    """What the events so far say."""

    tasks: dict[int, Event] = field(default_factory=dict)
    parts: dict[int, dict[int, Event]] = field(default_factory=dict)
    """The parts there are, by task and by their own id."""
    commits: set[tuple[int, int]] = field(default_factory=set)
    merges: set[tuple[int, int]] = field(default_factory=set)

    def parts_of(self, task_id: int) -> list[Event]:
        return list(self.parts.get(task_id, {}).values())

    def open_parts_of(self, task_id: int) -> list[Event]:
        return [part for part in self.parts_of(task_id) if part.status in (PENDING, IN_PROGRESS)]


Rule = Callable[[Event, Known], Iterator[Violation]]


def check(events: Iterable[Event], *, max_lost: int) -> list[Violation]:
    """All violations in a history, in its order."""
    known = Known()
    found: list[Violation] = []
    for event in events:
        for rule in RULES[event.kind]:
            found += rule(event, known)
        found += _quarantines(event, max_lost)
        _remember(event, known)
    return found


def _remember(event: Event, known: Known) -> None:
    rows = known.tasks if event.kind == "task" else known.parts.setdefault(event.task_id, {})
    if event.is_deleted:
        rows.pop(event.row_id, None)
    else:
        rows[event.row_id] = event


def _name(event: Event) -> str:
    run = event.run if event.run is not None else event.old_run
    if event.kind == "task":
        return f"task {event.task_id} run {run}"
    phase, number = (event.phase, event.number) if event.status is not None else (event.old_phase, event.old_number)
    return f"part {phase}-{number} of task {event.task_id} run {run}"


# -- parts -------------------------------------------------------------------------------------------


def _part_commits(event: Event, known: Known) -> Iterator[Violation]:
    named_anew = event.status == DONE and event.path != event.old_path
    if event.status != DONE or (event.old_status == DONE and not named_anew):
        return
    key = (event.row_id, event.run or 0)
    if key in known.commits:
        yield Violation("P2", f"{_name(event)} was committed twice")
    known.commits.add(key)
    if event.old_status not in (IN_PROGRESS, DONE):
        yield Violation("P3", f"{_name(event)} was committed without a claim (status {event.old_status})")
    if event.path and not event.path.startswith(part_prefix(event)):
        yield Violation("P3", f"{_name(event)}, attempt {event.attempt}, was committed by another claim: {event.path}")
    task = known.tasks.get(event.task_id)
    if task is None or task.status != IN_PROGRESS or task.step != Step.PARTS:
        yield Violation("P5", f"{_name(event)} was committed while its task did not run")
    elif task.phase != event.phase:
        yield Violation("P2", f"{_name(event)} was committed while its task was in phase {task.phase}")


def part_prefix(event: Event) -> str:
    """How the path of a file begins that the holder of the row's claim writes."""
    return f"tasks/{event.task_id}/{event.run}/{event.phase}-{event.number}-{event.attempt}"


def _part_stays_done(event: Event, known: Known) -> Iterator[Violation]:
    if event.old_status == DONE and not event.is_deleted and event.status != DONE:
        yield Violation("P4", f"{_name(event)} was done and is done again")


def _part_stays_ended(event: Event, known: Known) -> Iterator[Violation]:
    left = event.old_status in TERMINAL_VALUES - {DONE} and not event.is_deleted and event.status != event.old_status
    if left and (event.run or 0) <= (event.old_run or 0):
        yield Violation("P5", f"{_name(event)} left status {event.old_status} without a rerun")


def _part_is_claimed_in_time(event: Event, known: Known) -> Iterator[Violation]:
    """Only parts of the phase that runs may be claimed."""
    task = known.tasks.get(event.task_id)
    if not event.is_claim or task is None:
        return
    if task.status in TERMINAL_VALUES:
        if event.at - task.at > OVERTAKEN_SECONDS:
            yield Violation("P5", f"{_name(event)} was claimed after the end of its task")
    elif (task.status, task.step, task.phase, task.run) != (IN_PROGRESS, Step.PARTS, event.phase, event.run):
        yield Violation("P2", f"{_name(event)} was claimed while its task was at {_place(task)}")


def _place(task: Event) -> str:
    return f"status {task.status}, step {task.step}, phase {task.phase}, run {task.run}"


def _done_part_is_kept(event: Event, known: Known) -> Iterator[Violation]:
    """What is finished goes with its task, with a restart, or behind a phase that a rerun opens again."""
    task = known.tasks.get(event.task_id)
    if not event.is_deleted or event.old_status != DONE or task is None or task.status not in ACTIVE_VALUES:
        return
    if task.step == Step.RESTART or (task.step == Step.RESUME and _is_behind_an_open_phase(event, known)):
        return
    yield Violation("P4", f"{_name(event)} was done and was removed while its task was at {_place(task)}")


def _is_behind_an_open_phase(event: Event, known: Known) -> bool:
    parts = known.parts_of(event.task_id)
    return any((part.phase or 0) < (event.old_phase or 0) and part.status != DONE for part in parts)


def _claims(event: Event, known: Known) -> Iterator[Violation]:
    if not event.is_claim:
        return
    if event.attempt != (event.old_attempt or 0) + 1:
        yield Violation("P3", f"{_name(event)}: attempt went from {event.old_attempt} to {event.attempt}")
    if event.old_leased:
        yield Violation("P3", f"{_name(event)} was claimed while another worker had it")
    if event.kind == "part" and event.old_status != PENDING:
        yield Violation("P3", f"{_name(event)} was claimed in status {event.old_status}")


# -- tasks -------------------------------------------------------------------------------------------


def _task_stays_ended(event: Event, known: Known) -> Iterator[Violation]:
    if event.old_status not in TERMINAL_VALUES or event.is_deleted or event.run != event.old_run:
        return
    if event.status != event.old_status:
        yield Violation("P5", f"{_name(event)} left status {event.old_status} without a rerun")
    elif event.path != event.old_path:
        yield Violation("P3", f"{_name(event)} got another result after its end")


def _task_commits(event: Event, known: Known) -> Iterator[Violation]:
    if event.status != DONE or event.old_status == DONE:
        return
    if event.old_status != Status.COLLECT_RESULTS:
        yield Violation("P6", f"{_name(event)} was done without a merge (status {event.old_status})")
    if not event.path or not event.sha256:
        yield Violation("P6", f"{_name(event)} was done without a result")
    elif not event.path.startswith(f"tasks/{event.task_id}/{event.run}/{event.phase}-result-{event.attempt}"):
        yield Violation("P3", f"{_name(event)}, attempt {event.attempt}, was ended by another claim: {event.path}")
    parts = known.parts_of(event.task_id)
    done = sum(part.status == DONE for part in parts)
    if (event.done, event.total) != (done, len(parts)):
        yield Violation(
            "P2", f"{_name(event)} counted {event.done} of {event.total} parts, there are {done} of {len(parts)}"
        )


def _fan_in(event: Event, known: Known) -> Iterator[Violation]:
    """Exactly one of the ends of parts opens what follows."""
    opened = event.status == Status.COLLECT_RESULTS and event.old_status != Status.COLLECT_RESULTS
    if not opened:
        return
    key = (event.task_id, event.run or 0)
    if key in known.merges:
        yield Violation("P2", f"{_name(event)} was merged twice")
    known.merges.add(key)
    waiting = known.open_parts_of(event.task_id)
    if waiting:
        yield Violation("P2", f"{_name(event)} was merged while {len(waiting)} parts had not ended")


def _next_phase(event: Event, known: Known) -> Iterator[Violation]:
    if event.step != Step.SPLIT or (event.phase or 0) <= (event.old_phase or 0):
        return
    waiting = known.open_parts_of(event.task_id)
    if waiting:
        yield Violation("P2", f"{_name(event)} went on to phase {event.phase} while {len(waiting)} parts had not ended")


def _quarantines(event: Event, max_lost: int) -> Iterator[Violation]:
    lost, before = event.lost or 0, event.old_lost or 0
    if lost > before + 1:
        yield Violation("P10", f"{_name(event)}: lost leases went from {before} to {lost}")
    if event.is_release and event.status == Status.FAILED and lost < max_lost:
        yield Violation("P10", f"{_name(event)} was quarantined after {lost} of {max_lost} lost leases")


RULES: dict[str, tuple[Rule, ...]] = {
    "part": (
        _part_commits,
        _part_stays_done,
        _part_stays_ended,
        _part_is_claimed_in_time,
        _done_part_is_kept,
        _claims,
    ),
    "task": (_task_stays_ended, _task_commits, _fan_in, _next_phase, _claims),
}
