"""Whose request it is: the owner of what is made, and the account that reads are limited to."""

from uuid import UUID, uuid4

from django.http import HttpRequest

from lunatasks.api.query import Query
from lunatasks.api.tokens import Grant
from lunatasks.errors import AccountRequired, BadQuery
from lunatasks.uuids import parse_uuid

HEADER = "Luna-Account-Id"
DIRECT_PREFIX = "1"
"""Under any other prefix of its path a request is read as the platform's gateway reads it."""


def account_of_header(request: HttpRequest) -> UUID | None:
    """The header's account. Raises BadQuery."""
    text = request.headers.get(HEADER)
    if text is None:
        return None
    try:
        return parse_uuid(text)
    except ValueError:
        raise BadQuery(HEADER) from None


def owner(request: HttpRequest, grant: Grant) -> UUID:
    """The account that a POST works for. Raises AccountRequired, BadQuery, OutOfScope."""
    account_id = account_of_header(request)
    if account_id is None:
        raise AccountRequired
    grant.require_account(account_id)
    return account_id


def reader(request: HttpRequest, query: Query, grant: Grant, *, gateway: bool) -> UUID | None:
    """The account whose objects are seen, None for all.

    It is the query's `account_id`; behind a gateway prefix the header's as well, and both must agree. A token that is
    bound to an account sees nothing of another one that is asked for.
    """
    asked = query.uuid("account_id")
    header = account_of_header(request) if gateway else None
    if asked and header and asked != header:
        raise BadQuery("account_id")
    if header:
        grant.require_account(header)
    wanted = header or asked
    if grant.account_id is None or wanted == grant.account_id:
        return wanted
    return grant.account_id if wanted is None else uuid4()  # an account that has nothing
