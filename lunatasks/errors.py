"""The error catalogue: one class per code, with HTTP status, class text and detail template.

An error raised while a request is answered becomes the error body; one that happens in a worker is
stored as a task error. Details never hold biometric data: ids, names and numbers only.
"""

from typing import ClassVar

from django.conf import settings

CATALOGUE: dict[int, type["LunaError"]] = {}


class LunaError(Exception):
    """An error of the catalogue; the arguments fill the braces of `template` in order."""

    code: ClassVar[int]
    status: ClassVar[int]
    desc: ClassVar[str]
    template: ClassVar[str]

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


BAD_INPUT = "Bad/incomplete input data"
NOT_FOUND = "Object not found"


class InternalError(LunaError):
    code, status, desc = 1, 500, "Internal server error"
    template = "Internal server error"


class FieldMissing(LunaError):
    code, status, desc = 12003, 400, BAD_INPUT
    template = "Field '{}' not found in json"


class BadQuery(LunaError):
    code, status, desc = 12012, 400, BAD_INPUT
    template = "Bad query parameters '{}'"


class BadContentType(LunaError):
    code, status, desc = 12017, 400, BAD_INPUT
    template = "Bad content type"


class BadBody(LunaError):
    code, status, desc = 12022, 400, BAD_INPUT
    template = "Failed to validate input json. Path: '{}' message: '{}'"


class UnsupportedMediaType(LunaError):
    code, status, desc = 12024, 415, BAD_INPUT
    template = "Unsupported media type"


class NotJson(LunaError):
    code, status, desc = 12027, 400, BAD_INPUT
    template = "Failed to validate input json. Message: {}"


class EmptyBody(LunaError):
    code, status, desc = 12030, 400, BAD_INPUT
    template = "Request does not contain data"


class AccountRequired(LunaError):
    code, status, desc = 11036, 403, "Forbidden"
    template = "Luna-Account-Id header is required for requests which change the state of system"


class FaceNotFound(LunaError):
    code, status, desc = 22002, 404, NOT_FOUND
    template = "Face with id '{}' not found"


class ListNotFound(LunaError):
    code, status, desc = 22003, 400, NOT_FOUND
    template = "List with id '{}' not found"


class FacesNotFound(LunaError):
    code, status, desc = 22004, 404, "Faces not found"
    template = "One or more faces not found, including face with id '{}'"


class DescriptorNotFound(LunaError):
    code, status, desc = 22018, 404, NOT_FOUND
    template = "no descriptor of version {} for the object '{}'"


class CannotSendSubtasks(LunaError):
    code, status, desc = 28000, 500, "Network error"
    template = "Cannot send subtasks to task_workers. Reason: '{}'"


class TaskNotFound(LunaError):
    code, status, desc = 28001, 404, NOT_FOUND
    template = "Task with id '{}' not found"


class TaskErrorNotFound(LunaError):
    code, status, desc = 28003, 404, NOT_FOUND
    template = "Task error with id '{}' not found"


class NothingToCluster(LunaError):
    code, status, desc = 28010, 404, "Objects not found"
    template = "Objects for clustering not found (empty set)"


class ResultNotFound(LunaError):
    code, status, desc = 28017, 404, NOT_FOUND
    template = "Result of the task '{}' not found"


class NoResultYet(LunaError):
    code, status, desc = 28018, 404, NOT_FOUND
    template = "Task '{}' does not have result yet"


class NotCancellable(LunaError):
    code, status, desc = 28019, 400, BAD_INPUT
    template = "Task '{}' with status {} cannot be canceled"


class ResultImpossible(LunaError):
    code, status, desc = 28020, 400, NOT_FOUND
    template = "Impossible get a result of task {} with status {}"


class TaskCancelled(LunaError):
    code, status, desc = 28025, 400, "Task cancelled"
    template = "Task '{}' has been cancelled"


class PageNotFound(LunaError):
    code, status, desc = 28100, 404, "Page not found"
    template = "{}"


class MethodNotAllowed(LunaError):
    code, status, desc = 28101, 405, "Method not allowed"
    template = "{}"


class BodyTooLarge(LunaError):
    code, status, desc = 28102, 413, BAD_INPUT
    template = "body larger than {}"


class Unhealthy(LunaError):
    code, status, desc = 28105, 502, "Service is unhealthy"
    template = "{}"


class NotAvailable(LunaError):
    code, status, desc = 28108, 501, "Not implemented"
    template = "{} is not available in this installation"


class Busy(LunaError):
    code, status, desc = 28109, 503, "Service is busy"
    template = "too many downloads at once"


class PartQuarantined(LunaError):
    code, status, desc = 28110, 500, "Part quarantined"
    template = "{} of task '{}' was given up: its worker was lost {} times"


class StorageFailed(LunaError):
    code, status, desc = 28111, 500, "Storage failed"
    template = "The storage of results refused to write: {}"


class PartsIncomplete(LunaError):
    code, status, desc = 28112, 500, "Parts incomplete"
    template = "{} of {} parts failed; a result without them would be wrong"


class AllPartsFailed(LunaError):
    code, status, desc = 28113, 500, "Parts failed"
    template = "All {} parts failed"


class NotRerunnable(LunaError):
    code, status, desc = 28114, 400, BAD_INPUT
    template = "Task '{}' with status {} cannot be run again"


class ArtefactDamaged(LunaError):
    code, status, desc = 28115, 500, "Storage failed"
    template = "A stored file of task '{}' is missing or damaged; run the task again"
