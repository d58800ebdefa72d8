"""What this installation can do: the one place that decides about 28108 of contents.

A type can run when it has a queue; events can be worked on when the registry offers their service.
"""

from lunatasks.errors import NotAvailable
from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import VERSIONS
from tasks_app.contents.additional_extract import version_need
from tasks_app.contents.members import EVENTS, Content
from tasks_app.dispatch import QUEUE_OF_TYPE
from tasks_app.states import TaskType

SOURCES = {"source_type 'zip'", "source_type 'network_disk'"}


def offered() -> set[str]:
    """The needs that are met here."""
    faces = {version_need(version.number) for version in VERSIONS.values() if version.kind == "face"}
    return SOURCES | faces | ({EVENTS} if _has_events() else set())


def _has_events() -> bool:
    try:
        registry.events()
    except ImportError:
        return False
    return True


def refuse_unavailable(task_type: TaskType, content: Content) -> None:
    """Raises NotAvailable for a type without a worker, and for a content that needs what is not offered."""
    if task_type not in QUEUE_OF_TYPE:
        raise NotAvailable(f"task type {int(task_type)}")
    if missing := content.needs() - offered():
        raise NotAvailable(min(missing))
