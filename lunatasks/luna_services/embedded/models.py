"""Tables of the embedded services: faces, their lists, events, descriptors, and the files of the image store.

Null is unknown and matches no filter, of text too.
"""
# ruff: noqa: DJ001

from collections.abc import Sequence

from django.db import models
from django.db.models import Q
from django.utils import timezone

from lunatasks.luna_services.embedded.handler_models import Handler as Handler

TEXT_LENGTH = 128
"""Longest external_id and user_data, in characters (the platform's gateway has the same limit)."""

COLORS = (
    "black", "blue", "green", "grey", "orange", "purple", "red", "white", "yellow", "pink", "brown", "beige", "khaki",
    "multicolored", "undefined",
)  # fmt: skip

EVENT_CODES: dict[str, Sequence[int | str]] = {
    "gender": (0, 1),
    "emotion": (1, 2, 3, 4, 5, 6, 7),
    "ethnic_group": (1, 2, 3, 4),
    "mask": (1, 2, 3),
    "liveness": (0, 1, 2),
    "apparent_gender": (0, 1, 2),
    "headwear_state": (0, 1, 2),
    "backpack_state": (0, 1, 2),
    "sleeve_length": ("short", "long", "undefined"),
    "top_match_type": ("face", "event"),
}
"""What a coded member of an event may hold, beside null."""


class Descriptor(models.Model):
    """A vector of some object: little-endian float32, L2-normalised. Owners add a foreign key and uniqueness."""

    version = models.PositiveIntegerField()
    vector = models.BinaryField()
    generation = models.PositiveIntegerField(default=0)
    sample_ids = models.BinaryField(default=b"")
    """The samples it was extracted from: 16 bytes each."""

    class Meta:
        abstract = True


class Face(models.Model):
    """A face of one account with its basic attributes; null is unknown and matches no filter."""

    face_id = models.UUIDField(primary_key=True)
    account_id = models.UUIDField()
    external_id = models.CharField(max_length=TEXT_LENGTH, default="", blank=True)
    user_data = models.CharField(max_length=TEXT_LENGTH, default="", blank=True)
    event_id = models.UUIDField(null=True, blank=True)
    avatar = models.CharField(max_length=500, default="", blank=True)
    create_time = models.DateTimeField(default=timezone.now)
    age = models.PositiveSmallIntegerField(null=True, blank=True)
    gender = models.PositiveSmallIntegerField(null=True, blank=True, choices=[(0, "female"), (1, "male")])
    ethnicity = models.PositiveSmallIntegerField(
        null=True, blank=True, choices=[(1, "african american"), (2, "indian"), (3, "asian"), (4, "caucasian")]
    )
    attributes_generation = models.PositiveIntegerField(default=0)
    attributes_sample_ids = models.BinaryField(default=b"")

    class Meta:
        indexes = [
            models.Index("account_id", "face_id", name="face_account_id"),
            models.Index("account_id", "external_id", name="face_external_id"),
            models.Index("account_id", "create_time", name="face_create_time"),
            models.Index("account_id", "event_id", name="face_event_id"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(gender__in=(0, 1)), name="face_gender"),
            models.CheckConstraint(condition=Q(ethnicity__range=(1, 4)), name="face_ethnicity"),
        ]

    def __str__(self) -> str:
        return str(self.face_id)


class FaceList(models.Model):
    """A list of faces of one account. `last_update_time` moves when faces come or go."""

    list_id = models.UUIDField(primary_key=True)
    account_id = models.UUIDField()
    user_data = models.CharField(max_length=TEXT_LENGTH, default="", blank=True)
    create_time = models.DateTimeField(default=timezone.now)
    last_update_time = models.DateTimeField(default=timezone.now)
    faces = models.ManyToManyField(Face, through="FaceLink", related_name="lists")

    class Meta:
        indexes = [models.Index("account_id", "list_id", name="face_list_account_id")]

    def __str__(self) -> str:
        return self.user_data or str(self.list_id)


class FaceLink(models.Model):
    """A face in a list."""

    face_list = models.ForeignKey(FaceList, models.CASCADE, related_name="links", db_index=False)
    face = models.ForeignKey(Face, models.CASCADE, related_name="links")

    class Meta:
        constraints = [models.UniqueConstraint("face_list", "face", name="face_link_once")]

    def __str__(self) -> str:
        return f"{self.face_id} in {self.face_list_id}"


class FaceDescriptor(Descriptor):
    """A descriptor of a face; one per version."""

    face = models.ForeignKey(Face, models.CASCADE, related_name="descriptors", db_index=False)

    class Meta:
        constraints = [models.UniqueConstraint("face", "version", name="face_descriptor_version")]

    def __str__(self) -> str:
        return f"{self.version} of {self.face_id}"


class FaceSample(models.Model):
    """A JPEG a face was extracted from: an image of the bucket of face samples."""

    sample_id = models.UUIDField(primary_key=True)
    face = models.ForeignKey(Face, models.CASCADE, related_name="samples")

    def __str__(self) -> str:
        return str(self.sample_id)


class ImportedPhoto(models.Model):
    """A photo that `importfaces` has seen, so that a second run need not look for its faces again."""

    account_id = models.UUIDField()
    digest = models.CharField(max_length=64)
    version = models.PositiveIntegerField()
    faces = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint("account_id", "version", "digest", name="imported_photo_once")]

    def __str__(self) -> str:
        return f"{self.digest[:12]}: {self.faces}"


class StoredFile(models.Model):
    """An image or object of the image store; its bytes lie in the default storage under `name`."""

    account_id = models.UUIDField()
    bucket = models.CharField(max_length=63)
    file_id = models.UUIDField()
    is_image = models.BooleanField()
    content_type = models.CharField(max_length=127)
    size = models.PositiveBigIntegerField()
    name = models.CharField(max_length=200)
    create_time = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint("account_id", "bucket", "file_id", name="stored_file_once")]

    def __str__(self) -> str:
        return f"{self.bucket}/{self.file_id}"


class Bucket(models.Model):
    """A bucket beside those that the settings name."""

    name = models.CharField(max_length=63, primary_key=True)

    def __str__(self) -> str:
        return self.name


def _index(*fields: str, name: str) -> models.Index:
    """An index over events that have a value there: what is null matches no filter and costs nothing to load."""
    given = Q(**{f"{fields[0]}__isnull": False})
    return models.Index("account_id", *fields, "event_id", name=f"event_{name}", condition=given)


def _within(name: str, values: Sequence[int | str]) -> models.CheckConstraint:
    return models.CheckConstraint(condition=Q(**{f"{name}__in": values}), name=f"event_{name}_known")


class Event(models.Model):
    """An event of one account. `face_id` names a face that may be gone; codes are the contract's.

    Detections, match and attach results are JSON texts: nothing filters by them, and a database's own JSON would
    change their order.
    """

    event_id = models.UUIDField(primary_key=True)
    account_id = models.UUIDField()
    create_time = models.DateTimeField(default=timezone.now)
    end_time = models.DateTimeField(null=True, blank=True)
    handler_id = models.UUIDField(null=True, blank=True)
    external_id = models.CharField(max_length=TEXT_LENGTH, default="", blank=True)
    user_data = models.CharField(max_length=TEXT_LENGTH, default="", blank=True)
    source = models.CharField(max_length=TEXT_LENGTH, null=True, blank=True)
    track_id = models.CharField(max_length=TEXT_LENGTH, null=True, blank=True)
    face_id = models.UUIDField(null=True, blank=True)
    attach_result = models.TextField(default="[]")
    face_detections = models.TextField(default="[]")
    body_detections = models.TextField(default="[]")
    match_result = models.TextField(default="[]")
    top_match_type = models.CharField(max_length=5, null=True, blank=True)
    top_similar_object_id = models.UUIDField(null=True, blank=True)
    top_similar_external_id = models.CharField(max_length=TEXT_LENGTH, null=True, blank=True)
    top_similar_object_similarity = models.FloatField(null=True, blank=True)
    top_matching_candidates_label = models.CharField(max_length=TEXT_LENGTH, null=True, blank=True)
    city = models.CharField(max_length=TEXT_LENGTH, null=True, blank=True)
    area = models.CharField(max_length=TEXT_LENGTH, null=True, blank=True)
    district = models.CharField(max_length=TEXT_LENGTH, null=True, blank=True)
    street = models.CharField(max_length=TEXT_LENGTH, null=True, blank=True)
    house_number = models.CharField(max_length=TEXT_LENGTH, null=True, blank=True)
    longitude = models.FloatField(null=True, blank=True)
    latitude = models.FloatField(null=True, blank=True)
    age = models.PositiveSmallIntegerField(null=True, blank=True)
    gender = models.PositiveSmallIntegerField(null=True, blank=True)
    emotion = models.PositiveSmallIntegerField(null=True, blank=True)
    ethnic_group = models.PositiveSmallIntegerField(null=True, blank=True)
    mask = models.PositiveSmallIntegerField(null=True, blank=True)
    liveness = models.PositiveSmallIntegerField(null=True, blank=True)
    apparent_age = models.PositiveSmallIntegerField(null=True, blank=True)
    apparent_gender = models.PositiveSmallIntegerField(null=True, blank=True)
    headwear_state = models.PositiveSmallIntegerField(null=True, blank=True)
    sleeve_length = models.CharField(max_length=9, null=True, blank=True)
    backpack_state = models.PositiveSmallIntegerField(null=True, blank=True)
    attributes_generation = models.PositiveIntegerField(default=0)
    attributes_sample_ids = models.BinaryField(default=b"")

    class Meta:
        indexes = [
            models.Index("account_id", "event_id", name="event_account_id"),
            models.Index("account_id", "create_time", name="event_create_time"),
            models.Index(
                "account_id", "external_id", "event_id", name="event_external_id", condition=Q(external_id__gt="")
            ),
            _index("end_time", name="end_time"),
            _index("handler_id", name="handler_id"),
            _index("source", name="source"),
            _index("track_id", name="track_id"),
            _index("face_id", name="face_id"),
            _index("top_similar_object_id", name="top_object_id"),
            _index("top_similar_external_id", name="top_external_id"),
            _index("top_similar_object_similarity", name="top_similarity"),
            _index("top_matching_candidates_label", name="top_label"),
            _index("city", name="city"),
            _index("area", name="area"),
            _index("district", name="district"),
            _index("street", name="street"),
            _index("house_number", name="house_number"),
            _index("longitude", "latitude", name="position"),
            _index("age", name="age"),
            _index("gender", name="gender"),
            _index("emotion", name="emotion"),
            _index("ethnic_group", name="ethnic_group"),
            _index("mask", name="mask"),
            _index("liveness", name="liveness"),
            _index("apparent_age", name="apparent_age"),
            _index("apparent_gender", name="apparent_gender"),
            _index("headwear_state", name="headwear_state"),
            _index("sleeve_length", name="sleeve_length"),
            _index("backpack_state", name="backpack_state"),
        ]
        constraints = [
            *(_within(name, values) for name, values in EVENT_CODES.items()),
            models.CheckConstraint(condition=Q(longitude__range=(-180, 180)), name="event_longitude_range"),
            models.CheckConstraint(condition=Q(latitude__range=(-90, 90)), name="event_latitude_range"),
        ]

    def __str__(self) -> str:
        return str(self.event_id)


class EventTag(models.Model):
    """A tag of an event."""

    event = models.ForeignKey(Event, models.CASCADE, related_name="tag_rows", db_index=False)
    account_id = models.UUIDField()
    value = models.CharField(max_length=TEXT_LENGTH)

    class Meta:
        constraints = [models.UniqueConstraint("event", "value", name="event_tag_once")]
        indexes = [models.Index("account_id", "value", "event", name="event_tag_value")]

    def __str__(self) -> str:
        return self.value


class EventColor(models.Model):
    """A colour of the upper clothing in an event."""

    event = models.ForeignKey(Event, models.CASCADE, related_name="color_rows", db_index=False)
    account_id = models.UUIDField()
    value = models.CharField(max_length=12)

    class Meta:
        constraints = [
            models.UniqueConstraint("event", "value", name="event_color_once"),
            models.CheckConstraint(condition=Q(value__in=COLORS), name="event_color_known"),
        ]
        indexes = [models.Index("account_id", "value", "event", name="event_color_value")]

    def __str__(self) -> str:
        return self.value


class EventOrigin(models.Model):
    """A source image that an event names; several events of one photo share it."""

    event = models.ForeignKey(Event, models.CASCADE, related_name="origin_rows", db_index=False)
    image_id = models.UUIDField()

    class Meta:
        constraints = [models.UniqueConstraint("event", "image_id", name="event_origin_once")]
        indexes = [models.Index("image_id", name="event_origin_image")]

    def __str__(self) -> str:
        return str(self.image_id)


class EventDescriptor(Descriptor):
    """A descriptor of an event's face or body; one per kind and version."""

    event = models.ForeignKey(Event, models.CASCADE, related_name="descriptors", db_index=False)
    kind = models.CharField(max_length=4, choices=[("face", "face"), ("body", "body")])

    class Meta:
        constraints = [models.UniqueConstraint("event", "kind", "version", name="event_descriptor_version")]

    def __str__(self) -> str:
        return f"{self.kind} {self.version} of {self.event_id}"
