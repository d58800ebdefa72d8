"""Sources of images of an estimator: opened by the split, listed, and read again by the parts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import orjson
from django.conf import settings

from lunatasks import errors
from lunatasks.luna_services import ports, registry
from tasks_app.models import Task
from tasks_app.secrets import open_secrets
from tasks_app.transitions import Artefact
from workers.context import Context
from workers.files import artefacts as files
from workers.files import downloads, import_folders
from workers.files.archives import MEBIBYTE, Archive, Entry, EntryRefused, limits_of_settings

Reader = Callable[[Entry], bytes]
"""The bytes of an entry. Raises EntryRefused."""

PASSWORD = "source.authorization.password"  # noqa: S105  where the secret stands
_BLOCK = 2**20


def copy_source(context: Context) -> dict[str, Any]:
    """Inputs by which the parts find the source: an archive is copied, so that all of them see the same one.

    Raises ArchiveRefused, SourceRefused, NotAvailable, SecretsUnreadable.
    """
    source = context.content["source"]
    if source["source_type"] == "network_disk":
        path, folder = import_folders.resolve(context.account_id, source["path"])
        return {"root": str(path), "folder": str(folder)}
    if source["source_type"] != "zip":
        raise errors.NotAvailable(f"source_type '{source['source_type']}'")
    return {"archive": _copy_archive(context, source["reference"])}


def list_entries(context: Context, inputs: dict[str, Any]) -> Artefact:
    """The images that the source asks for, one a line."""
    with context.writing("-entries.jsonl") as writer:
        for entry in _entries(context, inputs):
            writer.write(orjson.dumps(asdict(entry)) + b"\n")
    assert writer.artefact is not None  # noqa: S101  set by the block above
    return writer.artefact


@contextmanager
def reader(context: Context) -> Iterator[Reader]:
    """How a part reads entries. Raises ArchiveRefused, SecretsUnreadable."""
    inputs = context.inputs
    if "archive" not in inputs:
        root, folder = Path(inputs["root"]), Path(inputs["folder"])
        yield lambda entry: import_folders.read_image(root / entry.name, folder)
        return
    with _archive(context, Artefact(**inputs["archive"])) as archive:
        yield lambda entry: archive.read(entry.number or 0)


def _entries(context: Context, inputs: dict[str, Any]) -> Iterator[Entry]:
    source = context.content["source"]
    asked = {name: source[name] for name in ("prefix", "postfix") if name in source}
    asked["recursive"] = source.get("recursive", False)
    if "archive" in inputs:
        with _archive(context, inputs["archive"]) as archive:
            archive.check_password()
            yield from _checked(context, archive.entries(**asked))
        return
    listing = import_folders.Listing(
        Path(inputs["root"]),
        Path(inputs["folder"]),
        follow_links=source.get("follow_links", False),
        check=context.check,
        **asked,
    )
    yield from _checked(context, listing.entries())


def _checked(context: Context, entries: Iterator[Entry]) -> Iterator[Entry]:
    for number, entry in enumerate(entries):
        if number % 1000 == 0:
            context.check()
        yield entry


def _archive(context: Context, artefact: Artefact) -> Archive:
    task = Task.objects.only("secrets").get(pk=context.task_id)
    path = files.local_path(artefact, task_id=context.task_id)
    return Archive(path, password=open_secrets(task).get(PASSWORD), limits=limits_of_settings())


def _copy_archive(context: Context, reference: str) -> Artefact:
    most = settings.LUNATASKS_ARCHIVE_MB * MEBIBYTE
    with context.writing("-archive.zip") as writer:
        if downloads.is_url(reference):
            allowed = downloads.allowed_of_settings()
            downloads.download(reference, writer, allowed=allowed, most=most, check=context.check)
        else:
            with _open(context, reference) as stream:
                _copy(context, stream, writer, most)
    assert writer.artefact is not None  # noqa: S101  set by the block above
    return writer.artefact


def _open(context: Context, reference: str) -> BinaryIO:
    try:
        object_id = UUID(reference)
    except ValueError:
        path, folder = import_folders.resolve(context.account_id, reference)
        try:
            return import_folders.open_inside(path, folder)
        except EntryRefused as error:
            raise errors.SourceRefused(error) from None
    try:
        return registry.image_store().open_object(context.account_id, registry.buckets().objects, object_id)
    except ports.ObjectNotFound:
        raise errors.StoredObjectNotFound(object_id) from None


def _copy(context: Context, stream: BinaryIO, sink: files.Writer, most: int) -> None:
    size = 0
    while block := stream.read(_BLOCK):
        context.check()
        size += len(block)
        if size > most:
            raise errors.ArchiveRefused(f"it is larger than {most} bytes")
        sink.write(block)
