"""What a request may do: everything, or what its access token says."""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from lunatasks.api.connections import reading
from lunatasks.api.models import AccessToken, digest_of
from lunatasks.errors import OutOfScope, Unauthenticated

MOST_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Grant:
    """`account_id`: the only account, None for all."""

    account_id: UUID | None
    can_write: bool

    def require_write(self) -> None:
        """Raises OutOfScope."""
        if not self.can_write:
            raise OutOfScope

    def require_account(self, account_id: UUID) -> None:
        """Raises OutOfScope for another account than the token's."""
        if self.account_id not in (None, account_id):
            raise OutOfScope

    def require_all(self) -> None:
        """Raises OutOfScope for a token that is bound to an account."""
        if self.account_id is not None:
            raise OutOfScope


UNLIMITED = Grant(None, can_write=True)


def is_on() -> bool:
    """Whether access tokens are asked for."""
    return bool(settings.LUNATASKS_API_AUTH == "token")


def grant_of(request: HttpRequest) -> Grant:
    """What the request's token allows, everything while tokens are off. Raises Unauthenticated."""
    if not is_on():
        return UNLIMITED
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text or len(text) > MOST_CHARACTERS:
        raise Unauthenticated
    token = reading(AccessToken.objects.filter(digest=digest_of(text), revoke_time=None).first)
    if token is None:
        raise Unauthenticated
    return Grant(token.account_id, token.can_write)
