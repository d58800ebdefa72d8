"""The error catalogue: one class per code, with HTTP status, class text and detail template.

An error raised while a request is answered becomes the error body; one that happens in a worker is
stored as a task error. Details never hold biometric data: ids, names and numbers only. The docstring of
a class is what the manual's page of its code says.
"""

from collections.abc import Mapping
from typing import ClassVar

from django.conf import settings

CATALOGUE: dict[int, type["LunaError"]] = {}


class LunaError(Exception):
    """An error of the catalogue; the arguments fill the braces of `template` in order."""

    code: ClassVar[int]
    status: ClassVar[int]
    desc: ClassVar[str]
    template: ClassVar[str]
    headers: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls) -> None:
        if cls.code in CATALOGUE:
            raise TypeError(f"code {cls.code} is taken by {CATALOGUE[cls.code].__name__}")
        CATALOGUE[cls.code] = cls

    def __init__(self, *values: object, additional_info: str | None = None) -> None:
        self.detail = self.template.format(*values)
        self.additional_info = additional_info
        super().__init__(self.detail)

    @property
    def link(self) -> str:
        return manual_link(self.code)

    def as_body(self) -> dict[str, object]:
        """The error body of an HTTP answer."""
        return {"error_code": self.code, "desc": self.desc, "detail": self.detail, "link": self.link}


def manual_link(code: int) -> str:
    """Address of the manual's page about a code."""
    return f"{settings.LUNATASKS_MANUAL_URL}/errors/{code}.html"


def nameless(code: int) -> LunaError:
    """The error of that code that tells its class only; an internal error when the catalogue has no such code."""
    kind = CATALOGUE.get(code, InternalError)
    error = kind(*[""] * kind.template.count("{}"))
    error.detail = kind.desc
    return error


BAD_INPUT = "Bad/incomplete input data"
NOT_FOUND = "Object not found"


class InternalError(LunaError):
    """Something that nobody expected. The log holds the reason under the request id of the answer."""

    code, status, desc = 1, 500, "Internal server error"
    template = "Internal server error"


class InvalidUrl(LunaError):
    """The address of a LUNA service is none. Correct the setting."""

    code, status, desc = 3, 500, "Invalid url"
    template = "Invalid url of the service '{}'"


class ClientPayload(LunaError):
    """The answer of a LUNA service broke off. It is asked again by a rerun."""

    code, status, desc = 4, 500, "Client payload error"
    template = "The answer of the service '{}' broke off"


class SocketReadTimeout(LunaError):
    """A LUNA service sent nothing for too long."""

    code, status, desc = 6, 500, "Socket read timeout"
    template = "The service '{}' sent nothing for too long"


class SocketConnectTimeout(LunaError):
    """The host of a LUNA service did not answer in time."""

    code, status, desc = 7, 500, "Socket connect timeout"
    template = "The host of the service '{}' did not answer in time"


class ConnectTimeout(LunaError):
    """A connection to a LUNA service took too long, or none was free."""

    code, status, desc = 8, 500, "Connect timeout"
    template = "No connection to the service '{}' in time"


class RequestTimeout(LunaError):
    """A request to a LUNA service took longer than allowed."""

    code, status, desc = 9, 500, "Request timeout"
    template = "The service '{}' did not answer in time"


class ServerDisconnected(LunaError):
    """A LUNA service closed the connection."""

    code, status, desc = 10, 500, "Server disconnected"
    template = "The service '{}' closed the connection"


class ConnectionFailed(LunaError):
    """A LUNA service cannot be reached: it is down, or the setting of its address is wrong."""

    code, status, desc = 11, 500, "Connection error"
    template = "The service '{}' cannot be reached"


class ConnectorFailed(LunaError):
    """The operating system or TLS refused a connection to a LUNA service."""

    code, status, desc = 16, 500, "Connector error"
    template = "No connection to the service '{}' could be made"


class ForeignContentType(LunaError):
    """A LUNA service answered in a form that is not its own; most often the address is that of something else."""

    code, status, desc = 21, 500, "Content type error"
    template = "The service '{}' answered with another content type"


class FieldMissing(LunaError):
    """The named member must be there; send it."""

    code, status, desc = 12003, 400, BAD_INPUT
    template = "Field '{}' not found in json"


class BadQuery(LunaError):
    """The named query parameter or header has a value that it cannot have, or is there twice."""

    code, status, desc = 12012, 400, BAD_INPUT
    template = "Bad query parameters '{}'"


class BadContentType(LunaError):
    """A POST takes application/json; leave the header out or send that."""

    code, status, desc = 12017, 400, BAD_INPUT
    template = "Bad content type"


class BadBody(LunaError):
    """The member at the path has a value that it cannot have, or is not known. Nothing was stored."""

    code, status, desc = 12022, 400, BAD_INPUT
    template = "Failed to validate input json. Path: '{}' message: '{}'"


class UnsupportedMediaType(LunaError):
    """None of the media types in the Accept header can be served."""

    code, status, desc = 12024, 415, BAD_INPUT
    template = "Unsupported media type"


class NotJson(LunaError):
    """The body is not JSON in UTF-8: NaN, infinities and broken escapes are refused too."""

    code, status, desc = 12027, 400, BAD_INPUT
    template = "Failed to validate input json. Message: {}"


class EmptyBody(LunaError):
    """The body is empty."""

    code, status, desc = 12030, 400, BAD_INPUT
    template = "Request does not contain data"


class AccountRequired(LunaError):
    """A request that makes a task must say in the header Luna-Account-Id whose task it is."""

    code, status, desc = 11036, 403, "Forbidden"
    template = "Luna-Account-Id header is required for requests which change the state of system"


class ImageNotFound(LunaError):
    """The image store does not hold the image (any more)."""

    code, status, desc = 13003, 404, NOT_FOUND
    template = "Image with id '{}' not found"


class BucketNotFound(LunaError):
    """The image store has no such bucket. Make it, or correct the setting that names it."""

    code, status, desc = 13005, 404, NOT_FOUND
    template = "Bucket '{}' not found"


class BucketExists(LunaError):
    """The image store has a bucket of that name already."""

    code, status, desc = 13006, 409, "Object already exists"
    template = "Bucket '{}' already exists"


class StoredObjectNotFound(LunaError):
    """The image store does not hold the object (any more)."""

    code, status, desc = 13007, 404, NOT_FOUND
    template = "Object with id '{}' not found"


class FaceNotFound(LunaError):
    """The face does not exist in the account."""

    code, status, desc = 22002, 404, NOT_FOUND
    template = "Face with id '{}' not found"


class ListNotFound(LunaError):
    """The list does not exist in the account. Make it, or let the task make one."""

    code, status, desc = 22003, 400, NOT_FOUND
    template = "List with id '{}' not found"


class FacesNotFound(LunaError):
    """A face was removed while the task ran; its id is in additional_info. The others were processed."""

    code, status, desc = 22004, 404, "Faces not found"
    template = "One or more faces not found, including face with id '{}'"


class DescriptorNotFound(LunaError):
    """The object has no descriptor of that version. Extract it first."""

    code, status, desc = 22018, 404, NOT_FOUND
    template = "no descriptor of version {} for the object '{}'"


class EventNotFound(LunaError):
    """An event was removed while the task ran. The others were processed."""

    code, status, desc = 23001, 404, NOT_FOUND
    template = "Event with id '{}' not found"


class CannotSendSubtasks(LunaError):
    """The queue did not take the messages. They are sent again by themselves when it answers."""

    code, status, desc = 28000, 500, "Network error"
    template = "Cannot send subtasks to task_workers. Reason: '{}'"


class TaskNotFound(LunaError):
    """There is no such task, or it belongs to another account."""

    code, status, desc = 28001, 404, NOT_FOUND
    template = "Task with id '{}' not found"


class TaskErrorNotFound(LunaError):
    """There is no such task error, or it belongs to another account."""

    code, status, desc = 28003, 404, NOT_FOUND
    template = "Task error with id '{}' not found"


class NoReportOfStatus(LunaError):
    """A report is made of a task that is done."""

    code, status, desc = 28015, 400, BAD_INPUT
    template = "Tasks with status '{}' does not support a build report"


class NoReportWithoutResult(LunaError):
    """The clustering task has no result that a report could be made of."""

    code, status, desc = 28016, 400, BAD_INPUT
    template = "Clusterization task without result does not support a build report"


class NothingToCluster(LunaError):
    """No object of the account matches the filters and has a descriptor."""

    code, status, desc = 28010, 404, "Objects not found"
    template = "Objects for clustering not found (empty set)"


class ArchiveFailed(LunaError):
    """The zip of a report could not be made. Run the task again."""

    code, status, desc = 28012, 500, "Internal server error"
    template = "Failed to create archive from a report"


class ResultNotFound(LunaError):
    """The task is done, but the file of its result is gone. Run the task again."""

    code, status, desc = 28017, 404, NOT_FOUND
    template = "Result of the task '{}' not found"


class NoResultYet(LunaError):
    """The task has not ended yet. Ask again later."""

    code, status, desc = 28018, 404, NOT_FOUND
    template = "Task '{}' does not have result yet"


class NotCancellable(LunaError):
    """Only a task that is pending, in progress or collecting results can be cancelled."""

    code, status, desc = 28019, 400, BAD_INPUT
    template = "Task '{}' with status {} cannot be canceled"


class ResultImpossible(LunaError):
    """A cancelled or failed task has no result. Its errors say why it failed."""

    code, status, desc = 28020, 400, NOT_FOUND
    template = "Impossible get a result of task {} with status {}"


class NothingToMatch(LunaError):
    """No object of the account matches the filters of that side and has a descriptor."""

    code, status, desc = 28022, 404, "Objects not found"
    template = "{} for cross-matching not found (empty set)"


class ReferenceMissing(LunaError):
    """A marked image of a ROC does not exist in the account. It was left out of all counts."""

    code, status, desc = 28023, 404, "Reference uuid is missing"
    template = "{}"


class ReferenceWithoutDescriptor(LunaError):
    """A marked image of a ROC has no descriptor. Extract it first. It was left out of all counts."""

    code, status, desc = 28024, 404, "Reference uuid has no extracted descriptor"
    template = "{}"


class TaskCancelled(LunaError):
    """Somebody cancelled the task."""

    code, status, desc = 28025, 400, "Task cancelled"
    template = "Task '{}' has been cancelled"


class TooManyToMatch(LunaError):
    """The filters of one side select more objects than one cross matching may compare. Narrow them."""

    code, status, desc = 31002, 400, BAD_INPUT
    template = "Cross match filters presume too many received objects. Current general limit - {}"


class PageNotFound(LunaError):
    """There is nothing at this path."""

    code, status, desc = 28100, 404, "Page not found"
    template = "{}"


class MethodNotAllowed(LunaError):
    """The path exists, the method does not; the header Allow names those that do."""

    code, status, desc = 28101, 405, "Method not allowed"
    template = "{}"


class BodyTooLarge(LunaError):
    """Send less, or raise LUNATASKS_MAX_BODY."""

    code, status, desc = 28102, 413, BAD_INPUT
    template = "body larger than {}"


class Unauthenticated(LunaError):
    """Send `Authorization: Bearer <token>` with a token of `manage.py createtoken` that was not revoked."""

    code, status, desc = 28103, 401, "Unauthorized"
    template = "access token missing, wrong or revoked"
    headers = {"WWW-Authenticate": "Bearer"}


class OutOfScope(LunaError):
    """The access token may only read, or is bound to another account than the request names."""

    code, status, desc = 28104, 403, "Forbidden"
    template = "the token's scope does not allow this"


class Unhealthy(LunaError):
    """The named parts do not work. The log holds the reasons."""

    code, status, desc = 28105, 502, "Service is unhealthy"
    template = "{}"


class NoReportOfType(LunaError):
    """A report is made of a clustering."""

    code, status, desc = 28106, 400, BAD_INPUT
    template = "Task '{}' of type {} does not support a build report"


class HandlerNotFound(LunaError):
    """The handler does not exist in the account. Make it first, or send its policies."""

    code, status, desc = 28107, 400, NOT_FOUND
    template = "Handler with id '{}' not found"


class NotAvailable(LunaError):
    """This installation cannot do what the request names."""

    code, status, desc = 28108, 501, "Not implemented"
    template = "{} is not available in this installation"


class Busy(LunaError):
    """As many results as allowed are being downloaded. Try again after the seconds in Retry-After."""

    code, status, desc = 28109, 503, "Service is busy"
    template = "too many downloads at once"
    headers = {"Retry-After": "1"}


class PartQuarantined(LunaError):
    """The part's workers were killed again and again; most often they ran out of memory. See the log of the worker."""

    code, status, desc = 28110, 500, "Part quarantined"
    template = "{} of task '{}' was given up: its worker was lost {} times"


class StorageFailed(LunaError):
    """The storage of results could not be written: it may be full or away. Run the task again when it works."""

    code, status, desc = 28111, 500, "Storage failed"
    template = "The storage of results refused to write: {}"


class PartsIncomplete(LunaError):
    """Some parts failed, and this type of task has no use for the rest. The other errors say why."""

    code, status, desc = 28112, 500, "Parts incomplete"
    template = "{} of {} parts failed; a result without them would be wrong"


class AllPartsFailed(LunaError):
    """Every part of the task failed. The other errors say why."""

    code, status, desc = 28113, 500, "Parts failed"
    template = "All {} parts failed"


class NotRerunnable(LunaError):
    """Only a task that has ended can be run again."""

    code, status, desc = 28114, 400, BAD_INPUT
    template = "Task '{}' with status {} cannot be run again"


class ArtefactDamaged(LunaError):
    """A file that the task stands on is gone or was changed. Run the task again."""

    code, status, desc = 28115, 500, "Storage failed"
    template = "A stored file of task '{}' is missing or damaged; run the task again"


class SecretsUnreadable(LunaError):
    """The passwords of the task cannot be decrypted: their key is not among the keys of this process.

    Give workers and web server the same LUNATASKS_ENCRYPTION_KEYS, and keep old keys at the end of the list.
    """

    code, status, desc = 28116, 500, "Secrets unreadable"
    template = "The secrets of task '{}' cannot be decrypted: their key is missing"


class SampleMissing(LunaError):
    """The object has no stored sample that could be looked at. Others were extracted."""

    code, status, desc = 28120, 404, NOT_FOUND
    template = "the {} '{}' has no sample"


class ImageRefused(LunaError):
    """The image cannot be worked on; its name or the id of its object is in additional_info. Others were."""

    code, status, desc = 28121, 400, BAD_INPUT
    template = "The image cannot be worked on: {}"


class ArchiveRefused(LunaError):
    """The archive cannot be read as a whole: it is damaged, its password does not fit, or it is beyond the limits."""

    code, status, desc = 28122, 400, BAD_INPUT
    template = "The archive cannot be read: {}"


class SourceRefused(LunaError):
    """The source of images cannot be opened, or this account may not read it. An operator allows folders and hosts."""

    code, status, desc = 28123, 400, BAD_INPUT
    template = "The source cannot be opened: {}"
