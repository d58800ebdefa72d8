"""Tables of the embedded services: faces, their lists, descriptors and samples."""

from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils import timezone

TEXT_LENGTH = 128
"""Longest external_id and user_data, in characters (the platform's gateway has the same limit)."""


class Descriptor(models.Model):
    """A vector of some object: little-endian float32, L2-normalised. Owners add a foreign key and uniqueness."""

    version = models.PositiveIntegerField()
    vector = models.BinaryField()
    generation = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True


class Sample(models.Model):
    """A JPEG warp in the default storage under `name`. Owners add a foreign key."""

    sample_id = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=200)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.sample_id)


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


class FaceSample(Sample):
    """The JPEG a face was extracted from."""

    face = models.ForeignKey(Face, models.CASCADE, related_name="samples")

    @staticmethod
    def folder(account_id: UUID, sample_id: UUID) -> str:
        """Where the sample lies in the storage: at most 256 folders per account."""
        return f"faces/{account_id}/{sample_id.hex[:2]}"


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
