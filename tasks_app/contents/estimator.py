"""Content of an estimator task.

Stored: `{"handler": {"handler_id": uuid} | {"policies": {...}}, "source": {"source_type", ...}, "filters":
{"account_id"}}`. Of a source: `image_type` 0 | 1 | 2, `prefix`, `postfix` (absent: any name); zip: `reference`,
`recursive`; network_disk: `path`, `follow_links`, `recursive`; the rest see the models. Passwords and keys are
`********` here; workers take them from `tasks_app.secrets.open_secrets(task)` under their path, for instance
"source.authorization.password".
"""

from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, Self, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from lunatasks import errors
from lunatasks.luna_services import registry
from lunatasks.luna_services.ports.handlers import BadPolicies, NotOffered
from tasks_app.contents.members import ABSENT, MAX_INTEGER, SECRET, Content, Limit, Members, Owner, Text, Uuid, Word

MAX_DEPTH = 12
BODY_WARP = 2


def _without_credentials(text: str) -> str:
    """A URL with a password would be shown by every read of the task."""
    try:
        is_clean = "@" not in urlsplit(text).netloc
    except ValueError:
        is_clean = False
    if not is_clean:
        raise PydanticCustomError("url", "URL should not hold a user or password")
    return text


def _text_or_number(value: Any) -> str | int:
    """A union of types would put their names into the path of an error."""
    if isinstance(value, str) and "\0" not in value:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_INTEGER:
        return value
    raise PydanticCustomError("password", "Input should be a string or an integer")


def _json(value: dict[str, Any] | list[Any]) -> Any:
    _check_json(value, 0)
    return value


def _check_json(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise PydanticCustomError("depth", "Object should not be nested that deep")
    if isinstance(value, str) and "\0" in value:
        raise PydanticCustomError("word", "String should not hold a NUL character")
    if isinstance(value, dict):
        _check_json([*value], depth)
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_json(item, depth + 1)


Policy = Annotated[dict[str, Any], AfterValidator(_json)]
PolicyList = Annotated[list[dict[str, Any]], Field(max_length=1000), AfterValidator(_json)]
Address = Annotated[Word, AfterValidator(_without_credentials)]
Port = Annotated[int, Field(ge=1, le=65535)]
ImageType = Annotated[int, Field(ge=0, le=2)]
SecretText = Annotated[Text, SECRET]
SecretTextOrNumber = Annotated[
    Any, AfterValidator(_text_or_number), WithJsonSchema({"type": ["string", "integer"]}), SECRET
]


class Policies(Members):
    """What to do with an image, as a stored handler says it; what is inside is checked by the handlers service."""

    detect_policy: Policy = ABSENT
    extract_policy: Policy = ABSENT
    match_policy: PolicyList = ABSENT
    conditional_tags_policy: PolicyList = ABSENT
    storage_policy: Policy = ABSENT


class Handler(Members):
    """A stored handler, or policies of this task only."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["handler_id"]}, {"required": ["policies"]}]})

    handler_id: Uuid = ABSENT
    policies: Policies = ABSENT

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.handler_id is None) == (self.policies is None):
            raise PydanticCustomError("handler", "Input should have exactly one of handler_id, policies")
        return self


class Source(Members):
    """What all sources share."""

    image_type: ImageType = 0
    prefix: Text = ABSENT
    postfix: Text = ABSENT


class ArchivePassword(Members):
    """How an archive is opened."""

    password: SecretTextOrNumber = ABSENT


class Zip(Source):
    """An archive: an object of the image store, a path under the import roots, or a URL."""

    source_type: Literal["zip"]
    reference: Address
    recursive: bool = False
    authorization: ArchivePassword = ABSENT


class NoAuthorization(Members):
    """A folder of ours asks for none."""


class NetworkDisk(Source):
    """A folder under the import roots."""

    source_type: Literal["network_disk"]
    path: Word
    follow_links: bool = False
    recursive: bool = False
    authorization: NoAuthorization = ABSENT


class S3Keys(Members):
    """Keys of a store."""

    public_key: SecretText = ABSENT
    secret_key: SecretText = ABSENT
    signature_version: Literal["s3v2", "s3v4"] = "s3v4"


class S3(Source):
    """A bucket, by name or ARN."""

    source_type: Literal["s3"]
    bucket: Word
    endpoint: Address = ABSENT
    region: Word = ABSENT
    recursive: bool = False
    save_origin: bool = False
    authorization: S3Keys = ABSENT


class Login(Members):
    """A user and password."""

    user: Text = ABSENT
    password: SecretText = ABSENT


class Ftp(Source):
    """A folder of an FTP server."""

    source_type: Literal["ftp"]
    host: Word
    port: Port = 21
    path: Text = ""
    recursive: bool = False
    max_sessions: Limit = 10
    authorization: Login = ABSENT


class Samba(Source):
    """A folder of a share."""

    source_type: Literal["samba"]
    host: Word
    share: Word
    port: Port = 445
    path: Text = ""
    recursive: bool = False
    authorization: Login = ABSENT


class AnySource(Source):
    """Refuses what names none of the types of sources."""

    source_type: Literal["zip", "network_disk", "s3", "ftp", "samba"]


SourceModel = TypeVar("SourceModel", bound=Source)


class Estimator(Content, Generic[SourceModel]):
    """Every image of a source through a handler."""

    handler: Handler
    source: SourceModel
    filters: Owner = Field(default_factory=Owner)

    def needs(self) -> set[str]:
        """See Content."""
        source_type = f"source_type '{getattr(self.source, 'source_type', '')}'"
        return {source_type, *(["a body model"] if self.source.image_type == BODY_WARP else [])}


SOURCES: dict[str, type[Source]] = {"zip": Zip, "network_disk": NetworkDisk, "s3": S3, "ftp": Ftp, "samba": Samba}


def model_of(content: Mapping[str, Any]) -> type[Estimator[Any]]:
    """The model that the source_type asks for."""
    source = content.get("source")
    source_type = source.get("source_type") if isinstance(source, dict) else None
    model = SOURCES.get(source_type, AnySource) if isinstance(source_type, str) else AnySource
    return Estimator[model]  # type: ignore[valid-type]


def check_objects(content: Mapping[str, Any], account_id: UUID) -> None:
    """Raises HandlerNotFound, BadBody for policies that are wrong, NotAvailable for what no model here can do."""
    handler = content["handler"]
    if "policies" in handler:
        _check_policies(handler["policies"])
    elif registry.handlers().get_handler(account_id, UUID(handler["handler_id"])) is None:
        raise errors.HandlerNotFound(handler["handler_id"])


def _check_policies(policies: Mapping[str, Any]) -> None:
    try:
        registry.handlers().check_policies(policies)
    except BadPolicies as error:
        raise errors.BadBody(f"content.handler.policies.{error.path}".rstrip("."), error.message) from None
    except NotOffered as error:
        raise errors.NotAvailable(error) from None


VARIANTS = tuple(Estimator[model] for model in SOURCES.values())  # type: ignore[valid-type]
