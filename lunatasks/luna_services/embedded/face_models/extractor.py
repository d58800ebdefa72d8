"""Faces, descriptors, age and gender of a photo.

Detector: YuNet 2023mar; descriptor: SFace 2021dec, 128 numbers; both OpenCV Zoo, int8 block-quantised. Age and
gender: the nets of dlib-models as ONNX. NOTICE names sources and licences. Ethnicity is not estimated.

Two profiles share the nets: version 1001 is SFace of the aligned face, 1002 the mean of that and of its mirror image.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from lunatasks.luna_services.descriptors import EXTRACTABLE, SFACE, normalise
from lunatasks.luna_services.embedded.face_models import alignment, weights
from lunatasks.luna_services.embedded.images import Photo, Pixels, decode_photo, encode_jpeg
from lunatasks.luna_services.ports import BadImage, BasicAttributes

LONG_SIDE = 1280
"""Photos are shrunk to it: measured, YuNet loses huge faces at 3000 px (14 of 25 found) and none after it."""
SCORE_LIMIT = 0.7
MIN_FACE = 30
"""Smallest side of a face after the shrink, in pixels."""

_OVERLAP_LIMIT, _MOST_CANDIDATES = 0.3, 5000
_LEAST_SIDE = 64
_AGE_CHIP, _GENDER_CHIP = 64, 32
_CHANNEL_MEANS = np.array([122.782, 117.001, 104.298], dtype=np.float32)
_AGES = np.array([0.25, *range(1, 81)])


@dataclass(frozen=True, slots=True)
class Detection:
    """A face in a picture, in its pixels. rect: x, y, width, height, inside the picture; landmarks: (5, 2)."""

    rect: tuple[int, int, int, int]
    landmarks: alignment.Points
    score: float


@dataclass(frozen=True, slots=True)
class FaceEstimate:
    """All that is stored of a detected face. rect: in pixels of the upright photo; sample: a JPEG of 250 x 250.

    `descriptor` is of the extractor's version; None when it was not asked for.
    """

    rect: tuple[int, int, int, int]
    score: float
    descriptor: NDArray[np.float32] | None = field(repr=False)
    attributes: BasicAttributes
    sample: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a face is computed, and of how many faces at most, larger ones first; None: of all."""

    descriptor: bool = True
    attributes: bool = True
    sample: bool = True
    most: int | None = None


class ModelsMissing(RuntimeError):
    """Weight files are missing or are not the expected ones; the text says which and how to repair it."""


class FaceExtractor:
    """The nets of one process, each loaded when it is first needed. Not for several threads at once."""

    def __init__(self, folder: Path, *, threads: int = 1, version: int = SFACE.number) -> None:
        """`folder` holds the weight files; `version`: of the descriptors it makes. Raises ModelsMissing, ValueError."""
        if version not in EXTRACTABLE:
            raise ValueError(f"no face model makes descriptors of version {version}")
        self.version = version
        if problems := weights.models_problems(folder):
            raise ModelsMissing("; ".join(problems))
        self._folder = folder
        self._threads = threads

    def extract(self, data: bytes, wanted: Wanted | None = None) -> list[FaceEstimate]:
        """Every face of an encoded photo, larger ones first. Raises BadImage."""
        return self.estimate(decode_photo(data, long_side=LONG_SIDE), wanted or Wanted())

    def estimate(self, photo: Photo, wanted: Wanted) -> list[FaceEstimate]:
        """Every face of a decoded photo, larger ones first. Raises BadImage."""
        pixels = self._shrink(photo)
        scale = photo.width / pixels.shape[1]
        with self._net_errors():
            found = self.detect(pixels)[: wanted.most]
            return [self._estimate(pixels, face, scale, wanted) for face in found]

    def estimate_warp(self, data: bytes, wanted: Wanted) -> FaceEstimate:
        """The face of a 250 x 250 warp, as samples are stored, without looking for it. Raises BadImage."""
        photo = decode_photo(data)
        size = alignment.WARP_SIZE
        if (photo.width, photo.height) != (size, size):
            raise BadImage(f"a face warp has {size} x {size} pixels")
        face = Detection((0, 0, size, size), alignment.warp_points(), 1.0)
        with self._net_errors():
            return self._estimate(photo.pixels, face, 1.0, wanted)

    def detect(self, pixels: Pixels) -> list[Detection]:
        """Faces of at least MIN_FACE pixels in a picture of at most LONG_SIDE, larger ones first."""
        height, width = pixels.shape[:2]
        if min(height, width) < MIN_FACE:
            return []
        padded = self._pad(_bgr(pixels))
        self._detector.setInputSize(padded.shape[1::-1])
        _, rows = self._detector.detect(padded)
        found = [_detection(row, width, height) for row in (() if rows is None else rows) if np.isfinite(row).all()]
        kept = [face for face in found if min(face.rect[2:]) >= MIN_FACE]
        return sorted(kept, key=lambda face: (-face.rect[2] * face.rect[3], face.rect))

    def describe(self, pixels: Pixels, landmarks: alignment.Points) -> NDArray[np.float32]:
        """(128,) float32, L2-normalised, of the face with these points."""
        row = np.zeros((1, 15), dtype=np.float32)
        row[0, 4:14] = landmarks.reshape(-1)
        crop = self._recognizer.alignCrop(_bgr(pixels), row)
        if self.version == SFACE.number:
            return normalise(self._recognizer.feature(crop))[0]
        views = [crop, np.ascontiguousarray(crop[:, ::-1])]
        # a copy of each: the net reuses the memory of its answer
        features = normalise(np.concatenate([self._recognizer.feature(view).copy() for view in views]))
        return normalise(features.sum(axis=0, keepdims=True, dtype=np.float64))[0]

    def estimate_attributes(self, pixels: Pixels, landmarks: alignment.Points) -> BasicAttributes:
        """Age in years and gender of the face with these points; ethnicity is null, no model offers it."""
        ages = self._run(self._age_net, self._chip(pixels, landmarks, _AGE_CHIP))
        genders = self._run(self._gender_net, self._chip(pixels, landmarks, _GENDER_CHIP))
        # half a year is rounded up, as the makers of the net do it
        return BasicAttributes(age=int(np.floor(_AGES @ ages + 0.5)), gender=int(genders[1] > genders[0]))

    def warp(self, pixels: Pixels, landmarks: alignment.Points) -> Pixels:
        """(250, 250, 3): the upright face as samples show it."""
        return self._warp(pixels, landmarks, alignment.warp_points(), alignment.WARP_SIZE)

    def _estimate(self, pixels: Pixels, face: Detection, scale: float, wanted: Wanted) -> FaceEstimate:
        points = face.landmarks
        return FaceEstimate(
            rect=tuple(round(side * scale) for side in face.rect),  # type: ignore[arg-type]
            score=face.score,
            descriptor=self.describe(pixels, points) if wanted.descriptor else None,
            attributes=self.estimate_attributes(pixels, points) if wanted.attributes else BasicAttributes(),
            sample=encode_jpeg(self.warp(pixels, points)) if wanted.sample else b"",
        )

    @contextmanager
    def _net_errors(self) -> Iterator[None]:
        try:
            yield
        except self._cv2.error:
            raise BadImage("the face models cannot work on it") from None

    def _shrink(self, photo: Photo) -> Pixels:
        height, width = photo.pixels.shape[:2]
        ratio = LONG_SIDE / max(height, width)
        if ratio >= 1:
            return photo.pixels
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        return self._cv2.resize(photo.pixels, size, interpolation=self._cv2.INTER_AREA)

    def _pad(self, pixels: Pixels) -> Pixels:
        # with a side of 32 pixels or less YuNet answers with memory that nobody wrote (OpenCV 4.14, measured)
        down, right = (max(0, _LEAST_SIDE - side) for side in pixels.shape[:2])
        if not down and not right:
            return pixels
        return self._cv2.copyMakeBorder(pixels, 0, down, 0, right, self._cv2.BORDER_CONSTANT)

    def _chip(self, pixels: Pixels, landmarks: alignment.Points, size: int) -> Pixels:
        return self._warp(pixels, landmarks, alignment.chip_points(size), size)

    def _warp(self, pixels: Pixels, landmarks: alignment.Points, target: alignment.Points, size: int) -> Pixels:
        matrix = alignment.similarity_transform(landmarks, target)
        return self._cv2.warpAffine(pixels, matrix, (size, size), flags=self._cv2.INTER_LINEAR)

    @staticmethod
    def _run(net: Any, chip: Pixels) -> NDArray[np.float64]:
        planes = ((chip.astype(np.float32) - _CHANNEL_MEANS) / np.float32(256)).transpose(2, 0, 1)
        net.setInput(np.ascontiguousarray(planes[None]))
        return net.forward()[0].astype(np.float64)

    @cached_property
    def _cv2(self) -> Any:
        return load_cv2(self._threads)

    @cached_property
    def _detector(self) -> Any:
        path = str(self._folder / weights.DETECTOR.name)
        sizes = (LONG_SIDE, LONG_SIDE)
        return self._cv2.FaceDetectorYN.create(path, "", sizes, SCORE_LIMIT, _OVERLAP_LIMIT, _MOST_CANDIDATES)

    @cached_property
    def _recognizer(self) -> Any:
        return self._cv2.FaceRecognizerSF.create(str(self._folder / weights.DESCRIPTOR.name), "")

    @cached_property
    def _age_net(self) -> Any:
        return self._cv2.dnn.readNetFromONNX(str(self._folder / weights.AGE.name))

    @cached_property
    def _gender_net(self) -> Any:
        return self._cv2.dnn.readNetFromONNX(str(self._folder / weights.GENDER.name))


def load_cv2(threads: int) -> Any:
    """OpenCV with its thread count set before the first net. Raises RuntimeError in the web process."""
    if settings.LUNATASKS_ROLE == "web":
        raise RuntimeError("face models run in workers and commands, never in the web process")
    import cv2

    cv2.setNumThreads(threads)
    return cv2


def default_extractor() -> FaceExtractor:
    """The extractor of this process, of the profile and the weight files of the settings. Raises ModelsMissing."""
    return extractor_of(settings.LUNATASKS_FACE_VERSION)


@cache
def extractor_of(version: int) -> FaceExtractor:
    """The extractor of this process that makes that version. Raises ModelsMissing, ValueError."""
    return FaceExtractor(settings.LUNATASKS_MODELS_DIR, version=version)


def _bgr(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[:, :, ::-1])


def _detection(row: NDArray[np.float32], width: int, height: int) -> Detection:
    left, top = max(0, round(float(row[0]))), max(0, round(float(row[1])))
    right, bottom = min(width, round(float(row[0] + row[2]))), min(height, round(float(row[1] + row[3])))
    rect = (left, top, max(0, right - left), max(0, bottom - top))
    return Detection(rect, row[4:14].reshape(5, 2).astype(np.float64), float(row[14]))
