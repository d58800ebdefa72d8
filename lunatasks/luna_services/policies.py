"""The policies of a handler: their shape, their defaults, and what of them this service can do.

Shapes follow the platform's handlers. A known member that asks for what no model here offers is refused when the
handler is made, never skipped when it runs.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from lunatasks.luna_services.ports.handlers import BadPolicies, NotOffered
from lunatasks.times import format_time, parse_time
from lunatasks.uuids import PATTERN

TEXT_LENGTH = 128
ABSENT: Any = None


def _no_nul(text: str) -> str:
    if "\0" in text:  # PostgreSQL cannot store it
        raise PydanticCustomError("word", "String should not hold a NUL character")
    return text


def _moment(text: str) -> str:
    try:
        return str(format_time(parse_time(text)))
    except ValueError:
        raise PydanticCustomError("time", "Input should be an RFC 3339 time with an offset") from None


Flag = Annotated[int, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Age = Annotated[int, Field(ge=0, le=1000)]
Word = Annotated[str, Field(min_length=1, max_length=TEXT_LENGTH), AfterValidator(_no_nul)]
Moment = Annotated[str, AfterValidator(_moment)]
Uuid = Annotated[str, StringConstraints(pattern=PATTERN), AfterValidator(str.lower)]
Uuids = Annotated[list[Uuid], Field(min_length=1, max_length=1000)]
Words = Annotated[list[Word], Field(min_length=1, max_length=1000)]


class Members(BaseModel):
    """An object of known members only, in strict JSON types; null is refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class LabelCondition(Members):
    """The best candidate of the match policy with that label; none at all counts as similarity 0."""

    label: Word
    similarity__gte: Share = ABSENT
    similarity__lt: Share = ABSENT


class Conditions(Members):
    """When a tag, a link or a storage applies: all that is given holds; what was not estimated matches nothing."""

    gender: Flag = ABSENT
    age__gte: Age = ABSENT
    age__lt: Age = ABSENT
    match: Annotated[list[LabelCondition], Field(min_length=1, max_length=100)] = ABSENT

    @property
    def labels(self) -> list[str]:
        """Labels of match policies that are asked about."""
        return [condition.label for condition in self.match or ()]

    @property
    def needs_attributes(self) -> bool:
        """Whether age or gender is asked about."""
        return any(value is not None for value in (self.gender, self.age__gte, self.age__lt))


class DetectPolicy(Members):
    """What is looked for. `multiface_policy`: 0 several faces are an error, 1 each is an event, 2 the largest only."""

    detect_face: Flag = 1
    detect_body: Flag = 0
    multiface_policy: Annotated[int, Field(ge=0, le=2)] = 1
    extract_exif: Flag = 0
    estimate_head_pose: Flag = 0
    estimate_emotions: Flag = 0
    estimate_mask: Flag = 0
    estimate_gaze: Flag = 0
    estimate_eyes_attributes: Flag = 0
    estimate_mouth_attributes: Flag = 0
    estimate_quality: Flag = 0
    estimate_glasses: Flag = 0


class ExtractPolicy(Members):
    """What is extracted of a face."""

    extract_face_descriptor: Flag = 1
    extract_body_descriptor: Flag = 0
    extract_basic_attributes: Flag = 0


class Candidates(Members):
    """Faces that are matched against: the face filters of the contract but for the account, ANDed."""

    origin: Literal["faces", "events"] = "faces"
    face_ids: Uuids = ABSENT
    external_ids: Words = ABSENT
    user_data: Word = ABSENT
    create_time__gte: Moment = ABSENT
    create_time__lt: Moment = ABSENT
    face_id__gte: Uuid = ABSENT
    face_id__lt: Uuid = ABSENT
    list_id: Uuid = ABSENT


Target = Literal["face_id", "external_id", "user_data", "event_id", "avatar", "create_time", "lists", "account_id"]


class MatchRule(Members):
    """The best `limit` of the candidates with at least the similarity `threshold`; `filters`: older name of them."""

    label: Word
    candidates: Candidates = ABSENT
    filters: Candidates = ABSENT
    limit: Annotated[int, Field(ge=1, le=100)] = 5
    threshold: Share = 0.0
    targets: Annotated[list[Target], Field(min_length=1)] = ["face_id", "external_id", "user_data"]

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if (self.candidates is None) == (self.filters is None):
            raise PydanticCustomError("candidates", "Input should have exactly one of candidates, filters")
        self.candidates = self.candidates or self.filters
        self.filters = None  # type: ignore[assignment]
        return self


class TagRule(Members):
    """A tag of events that meet the conditions."""

    tag: Word
    filters: Conditions = Field(default_factory=Conditions)


class SamplePolicy(Members):
    """Whether the sample of the event is stored."""

    store_sample: Flag = 1
    filters: Conditions = Field(default_factory=Conditions)


class OriginPolicy(Members):
    """Whether the source image is stored."""

    store_image: Flag = 0
    filters: Conditions = Field(default_factory=Conditions)


class AttributePolicy(Members):
    """Temporary attributes, which this service does not have."""

    store_attribute: Flag = 0


class LinkRule(Members):
    """A list that faces which meet the conditions are linked to."""

    list_id: Uuid
    filters: Conditions = Field(default_factory=Conditions)


class FacePolicy(Members):
    """Whether the event makes a face, and its lists."""

    store_face: Flag = 0
    set_sample_as_avatar: Flag = 0
    link_to_lists_policy: Annotated[list[LinkRule], Field(max_length=100)] = Field(default_factory=list)
    filters: Conditions = Field(default_factory=Conditions)


class EventPolicy(Members):
    """Whether the event is stored."""

    store_event: Flag = 1
    filters: Conditions = Field(default_factory=Conditions)


class StoragePolicy(Members):
    """What stays. Body samples are accepted and never there: no bodies are looked for."""

    face_sample_policy: SamplePolicy = Field(default_factory=SamplePolicy)
    body_sample_policy: SamplePolicy = Field(default_factory=lambda: SamplePolicy(store_sample=0))
    image_origin_policy: OriginPolicy = Field(default_factory=OriginPolicy)
    attribute_policy: AttributePolicy = Field(default_factory=AttributePolicy)
    face_policy: FacePolicy = Field(default_factory=FacePolicy)
    event_policy: EventPolicy = Field(default_factory=EventPolicy)


class Policies(Members):
    """All policies of a handler."""

    detect_policy: DetectPolicy = Field(default_factory=DetectPolicy)
    extract_policy: ExtractPolicy = Field(default_factory=ExtractPolicy)
    match_policy: Annotated[list[MatchRule], Field(max_length=100)] = Field(default_factory=list)
    conditional_tags_policy: Annotated[list[TagRule], Field(max_length=100)] = Field(default_factory=list)
    storage_policy: StoragePolicy = Field(default_factory=StoragePolicy)

    def conditions(self) -> Iterator[tuple[str, Conditions]]:
        """(path, conditions) of everything that has some."""
        for number, tag in enumerate(self.conditional_tags_policy):
            yield f"conditional_tags_policy.{number}.filters", tag.filters
        storage = self.storage_policy
        yield "storage_policy.face_sample_policy.filters", storage.face_sample_policy.filters
        yield "storage_policy.image_origin_policy.filters", storage.image_origin_policy.filters
        yield "storage_policy.event_policy.filters", storage.event_policy.filters
        yield "storage_policy.face_policy.filters", storage.face_policy.filters
        for number, link in enumerate(storage.face_policy.link_to_lists_policy):
            yield f"storage_policy.face_policy.link_to_lists_policy.{number}.filters", link.filters

    def list_ids(self) -> list[str]:
        """Lists that are matched against or linked to."""
        matched = [rule.candidates.list_id for rule in self.match_policy if rule.candidates.list_id]
        return matched + [link.list_id for link in self.storage_policy.face_policy.link_to_lists_policy]


def parse_policies(given: object) -> Policies:
    """Checked policies with all defaults. Raises BadPolicies with the path of what is wrong, NotOffered."""
    if not isinstance(given, dict):
        raise BadPolicies("", "Input should be an object")
    try:
        policies = Policies.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise BadPolicies(".".join(map(str, first["loc"]))[:200], first["msg"]) from None
    _refuse_not_offered(policies)
    _refuse_contradictions(policies)
    return policies


def as_json(policies: Policies) -> dict[str, Any]:
    """The policies as they are stored."""
    return policies.model_dump(exclude_none=True)


def _refuse_not_offered(policies: Policies) -> None:
    detect, extract = policies.detect_policy, policies.extract_policy
    if detect.detect_body or extract.extract_body_descriptor:
        raise NotOffered("a body model")
    asked = [name for name, value in detect if name.startswith("estimate_") and value]
    if asked:
        raise NotOffered(asked[0])
    if policies.storage_policy.attribute_policy.store_attribute:
        raise NotOffered("store_attribute")
    if any(rule.candidates.origin == "events" for rule in policies.match_policy):
        raise NotOffered("a match policy over events")


def _refuse_contradictions(policies: Policies) -> None:
    extract, labels = policies.extract_policy, [rule.label for rule in policies.match_policy]
    if not policies.detect_policy.detect_face:
        raise BadPolicies("detect_policy.detect_face", "Input should be 1: nothing else is looked for")
    if labels and not extract.extract_face_descriptor:
        raise BadPolicies("match_policy", "Matching needs extract_policy.extract_face_descriptor")
    if len(set(labels)) < len(labels):
        raise BadPolicies("match_policy", "Labels should be unique")
    for path, conditions in policies.conditions():
        if unknown := sorted(set(conditions.labels) - set(labels)):
            raise BadPolicies(f"{path}.match", f"No match policy has the label '{unknown[0]}'")
        if conditions.needs_attributes and not extract.extract_basic_attributes:
            raise BadPolicies(path, "Age and gender need extract_policy.extract_basic_attributes")
