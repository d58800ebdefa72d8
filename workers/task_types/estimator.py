"""Estimator: every image of a source through a handler.

The split copies or finds the source, lists its images and fixes the policies and the time of the events; a part reads
some of the images. Ids follow from handler and file, so that a part that ran one and a half times makes nothing twice.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from lunatasks import errors
from lunatasks.luna_services import ports, registry
from lunatasks.luna_services.ports import HandlerRun, SourceImage
from tasks_app.models import Task
from tasks_app.states import TaskType
from tasks_app.transitions import Artefact
from workers.context import Context, Part
from workers.files.archives import Entry, EntryRefused
from workers.files.json_rows import merge_rows, read_rows, write_rows
from workers.task_types import sources
from workers.task_types.base import Plan, TaskKind

BODY_WARP = 2
MOST_PARTS = 200
"""Each of them reads the directory of the archive: 1.5 seconds of 100 000 entries."""


def split(context: Context, phase: int) -> Plan:
    """A part is a range of the images that the source holds."""
    if context.content["source"].get("image_type") == BODY_WARP:
        raise errors.NotAvailable("a body model")
    inputs = {"policies": _policies(context), "now": _time_of_events(context), **sources.copy_source(context)}
    listed = sources.list_entries(context, inputs)
    count = sum(1 for _ in read_rows(listed, task_id=context.task_id))
    size = max(settings.LUNATASKS_IMAGES_PER_PART, -(-count // MOST_PARTS))
    parts = ([start, min(start + size, count)] for start in range(0, count, size))
    return Plan(parts=parts, inputs={**inputs, "entries": listed})


def process(context: Context, content: Any) -> Artefact:
    """Run the handler over some images; their rows are left."""
    return write_rows(context, _rows(context, content))


def merge(context: Context, parts: Iterator[Part]) -> Artefact:
    """The rows of all images, in the order of the source."""
    return merge_rows(context, parts)


def _policies(context: Context) -> Mapping[str, Any]:
    handler = context.content["handler"]
    if "policies" in handler:
        return _checked(registry.handlers().check_policies, handler["policies"])
    stored = registry.handlers().get_handler(context.account_id, UUID(handler["handler_id"]))
    if stored is None:
        raise errors.HandlerNotFound(handler["handler_id"])
    return stored.policies


def _time_of_events(context: Context) -> str:
    return Task.objects.only("create_time").get(pk=context.task_id).create_time.isoformat()


def _rows(context: Context, content: Any) -> Iterator[dict[str, Any]]:
    start, stop = content
    run = _open_run(context)
    entries = read_rows(Artefact(**context.inputs["entries"]), task_id=context.task_id, start=start, stop=stop)
    with sources.reader(context) as read:
        for done, given in enumerate(entries):
            context.progress(done, stop - start)
            entry = Entry(**given)
            try:
                yield _row(entry, events=_events(context, run, entry, read))
            except errors.LunaError as error:
                context.add_error(error)
                yield _row(entry, error=error)


def _events(context: Context, run: HandlerRun, entry: Entry, read: sources.Reader) -> list[Mapping[str, Any]]:
    """Answers for one image. Raises ImageRefused, ListNotFound with the name of the image."""
    try:
        if entry.problem:
            raise EntryRefused(entry.problem)
        image = SourceImage(
            filename=entry.name,
            data=read(entry),
            image_type=context.content["source"].get("image_type", 0),
            use_exif_info=bool(context.inputs["policies"]["detect_policy"]["extract_exif"]),
        )
        return [made.answer for made in run.process(image)]
    except (EntryRefused, ports.BadImage, ports.BadValue) as error:
        raise errors.ImageRefused(error, additional_info=entry.name) from None
    except ports.ListNotFound as error:
        raise errors.ListNotFound(error, additional_info=entry.name) from None


def _row(
    entry: Entry, *, events: list[Mapping[str, Any]] | None = None, error: errors.LunaError | None = None
) -> dict[str, Any]:
    return {
        "filename": entry.name,
        "status": int(error is None),
        "error": error.as_body() if error else None,
        "events": events or [],
    }


def _open_run(context: Context) -> HandlerRun:
    handler_id = context.content["handler"].get("handler_id")
    return _checked(
        registry.handlers().open_run,
        context.account_id,
        context.inputs["policies"],
        handler_id=UUID(handler_id) if handler_id else None,
        now=datetime.fromisoformat(context.inputs["now"]),
    )


def _checked(call: Any, *arguments: Any, **named: Any) -> Any:
    """A call of the handlers service, its errors as those of the catalogue."""
    try:
        return call(*arguments, **named)
    except ports.NotOffered as error:
        raise errors.NotAvailable(error) from None
    except ports.ListNotFound as error:
        raise errors.ListNotFound(error) from None
    except ports.BadPolicies as error:
        raise errors.BadBody(f"content.handler.policies.{error.path}".rstrip("."), error.message) from None


KIND = TaskKind(number=TaskType.ESTIMATOR, split=split, process=process, merge=merge, needs_all_parts=False)
