"""Options that the loading commands share."""

from argparse import ArgumentParser
from uuid import UUID, uuid5

from django.conf import settings

from lunatasks.luna_services import registry
from lunatasks.luna_services.embedded.archive import Services
from lunatasks.luna_services.ports import Faces


def add_target_options(parser: ArgumentParser) -> None:
    """--account, --list and --json."""
    parser.add_argument("--account", type=UUID, default=settings.LUNATASKS_DEFAULT_ACCOUNT_ID, help="owner's uuid")
    parser.add_argument("--list", metavar="NAME", help="list the faces are linked to, made when absent; name or uuid")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def ensure_named_list(faces: Faces, account_id: UUID, name: str | None) -> UUID | None:
    """The id of the account's list of that name or uuid, made when absent; None without a name.

    Raises ListNotFound when the uuid is a list of another account, BadValue for a name that is too long.
    """
    if name is None:
        return None
    try:
        list_id, user_data = UUID(name), ""
    except ValueError:
        list_id, user_data = uuid5(account_id, f"list:{name}"), name
    faces.ensure_list(account_id, list_id, user_data=user_data)
    return list_id


def archive_services() -> Services:
    """What archives are made from and loaded into."""
    return Services(
        faces=registry.faces(),
        events=registry.events(),
        images=registry.image_store(),
        buckets=registry.buckets(),
        handlers=registry.handlers(),
    )
