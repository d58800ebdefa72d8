"""Faces, descriptors, age and gender of a photo.

Detector: YuNet 2023mar; descriptor: SFace 2021dec, 128 numbers; both OpenCV Zoo, int8 block-quantised. Age and
gender: the nets of dlib-models as ONNX. NOTICE names sources and licences. Ethnicity is not estimated.
"""

from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from lunatasks.luna_services.descriptors import SFACE, normalise
from lunatasks.luna_services.embedded.face_models import alignment, weights
from lunatasks.luna_services.embedded.images import Photo, Pixels, decode_photo, encode_jpeg
from lunatasks.luna_services.ports import BadImage, BasicAttributes

VERSION = SFACE.number
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
    """All that is stored of a detected face. rect: in pixels of the upright photo; sample: a JPEG of 250 x 250."""

    rect: tuple[int, int, int, int]
    score: float
    descriptor: NDArray[np.float32] = field(repr=False)
    attributes: BasicAttributes
    sample: bytes = field(repr=False)


class ModelsMissing(RuntimeError):
    """Weight files are missing or are not the expected ones; the text says which and how to repair it."""


class FaceExtractor:
    """The nets of one process, each loaded when it is first needed. Not for several threads at once."""

    version = VERSION

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """`folder` holds the weight files. Raises ModelsMissing."""
        if problems := weights.models_problems(folder):
            raise ModelsMissing("; ".join(problems))
        self._folder = folder
        self._threads = threads

    def extract(self, data: bytes) -> list[FaceEstimate]:
        """Every face of an encoded photo, larger ones first. Raises BadImage."""
        photo = decode_photo(data, long_side=LONG_SIDE)
        pixels = self._shrink(photo)
        scale = photo.width / pixels.shape[1]
        try:
            return [self._estimate(pixels, face, scale) for face in self.detect(pixels)]
        except self._cv2.error:
            raise BadImage("the face models cannot work on it") from None

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
        return normalise(self._recognizer.feature(crop))[0]

    def estimate_attributes(self, pixels: Pixels, landmarks: alignment.Points) -> BasicAttributes:
        """Age in years and gender of the face with these points; ethnicity is null, no model offers it."""
        ages = self._run(self._age_net, self._chip(pixels, landmarks, _AGE_CHIP))
        genders = self._run(self._gender_net, self._chip(pixels, landmarks, _GENDER_CHIP))
        # half a year is rounded up, as the makers of the net do it
        return BasicAttributes(age=int(np.floor(_AGES @ ages + 0.5)), gender=int(genders[1] > genders[0]))

    def warp(self, pixels: Pixels, landmarks: alignment.Points) -> Pixels:
        """(250, 250, 3): the upright face as samples show it."""
        return self._warp(pixels, landmarks, alignment.warp_points(), alignment.WARP_SIZE)

    def _estimate(self, pixels: Pixels, face: Detection, scale: float) -> FaceEstimate:
        return FaceEstimate(
            rect=tuple(round(side * scale) for side in face.rect),  # type: ignore[arg-type]
            score=face.score,
            descriptor=self.describe(pixels, face.landmarks),
            attributes=self.estimate_attributes(pixels, face.landmarks),
            sample=encode_jpeg(self.warp(pixels, face.landmarks)),
        )

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


@cache
def default_extractor() -> FaceExtractor:
    """The extractor of this process, over the weight files of the settings. Raises ModelsMissing."""
    return FaceExtractor(settings.LUNATASKS_MODELS_DIR)


def _bgr(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[:, :, ::-1])


def _detection(row: NDArray[np.float32], width: int, height: int) -> Detection:
    left, top = max(0, round(float(row[0]))), max(0, round(float(row[1])))
    right, bottom = min(width, round(float(row[0] + row[2]))), min(height, round(float(row[1] + row[3])))
    rect = (left, top, max(0, right - left), max(0, bottom - top))
    return Detection(rect, row[4:14].reshape(5, 2).astype(np.float64), float(row[14]))
