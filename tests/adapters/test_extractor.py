"""The face models on real photos; their geometry, pinned."""

import os
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from lunatasks.luna_services.descriptors import SFACE
from lunatasks.luna_services.embedded.face_models import alignment
from lunatasks.luna_services.embedded.face_models.extractor import (
    MIN_FACE,
    FaceExtractor,
    ModelsMissing,
    load_cv2,
)
from lunatasks.luna_services.embedded.images import decode_photo
from lunatasks.luna_services.ports import BadImage
from tests.photos import encoded, extractor, opened, photo

OBAMA = ["obama/obama.jpg", "obama/obama2.jpg", "obama/obama3.jpg"]


@pytest.fixture(autouse=True)
def remembered_faces():
    """The nets themselves are tested here."""


def only_face(name: str):
    [face] = extractor().extract(photo(name).read_bytes())
    return face


def test_one_person_scores_above_the_clustering_limit_and_two_persons_below():
    faces = [only_face(name).descriptor for name in OBAMA]
    other = only_face("biden/biden.jpg").descriptor

    assert min(float(a @ b) for a, b in combinations(faces, 2)) > SFACE.cluster_score
    assert max(float(a @ other) for a in faces) < SFACE.middle


def test_a_descriptor_is_128_normalised_numbers():
    descriptor = only_face("obama/obama.jpg").descriptor

    assert descriptor.shape == (128,)
    assert descriptor.dtype == np.float32
    assert np.linalg.norm(descriptor) == pytest.approx(1, abs=1e-6)


def test_the_same_photo_gives_the_same_face_twice():
    first, second = only_face("obama/obama.jpg"), only_face("obama/obama.jpg")

    assert (first.descriptor == second.descriptor).all()
    assert first.sample == second.sample
    assert first.rect == second.rect


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("biden/biden.jpg", 66, 74), ("obama/obama.jpg", 39, 49), ("obama/obama2.jpg", 40, 51)],
)
def test_age_and_gender_of_known_persons(name, low, high):
    attributes = only_face(name).attributes

    assert low <= attributes.age <= high
    assert attributes.gender == 1
    assert attributes.ethnicity is None


def test_a_chip_too_wide_costs_15_years(monkeypatch):
    right = only_face("biden/biden.jpg").attributes.age
    monkeypatch.setattr(alignment, "_CHIP_ZOOM", 1.0)

    assert right - only_face("biden/biden.jpg").attributes.age >= 15


def test_women_are_estimated_as_women():
    names = ["Adriana Ventura", "Alice Portugal", "Aline Gurgel"]

    assert [only_face(f"{name}/{name}.jpg").attributes.gender for name in names] == [0, 0, 0]


def test_the_points_of_a_chip_are_where_the_nets_were_trained_to_see_them():
    chip = alignment.chip_points(64)

    expected = [[19.930, 18.186], [43.952, 18.053], [32.017, 31.848], [22.149, 45.911], [42.042, 45.801]]
    assert np.allclose(chip, expected, atol=2e-3)
    assert np.allclose(alignment.chip_points(32) * 2, chip)


@pytest.mark.parametrize(("angle", "scale"), [(0, 1), (30, 0.2), (-80, 3), (180, 1)])
def test_a_turned_and_scaled_face_is_mapped_onto_the_template(angle, scale):
    turn = np.deg2rad(angle)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    source = alignment.TEMPLATE_112 @ matrix.T + (400, 150)

    transform = alignment.similarity_transform(source, alignment.warp_points())

    assert np.allclose(source @ transform[:, :2].T + transform[:, 2], alignment.warp_points())


def test_a_sample_is_a_warp_of_250_pixels_in_which_the_same_person_is_found():
    face = only_face("obama/obama2.jpg")
    sample = decode_photo(face.sample)
    [again] = extractor().extract(face.sample)

    assert (sample.width, sample.height) == (250, 250)
    assert float(again.descriptor @ face.descriptor) > 0.9
    assert abs(again.attributes.age - face.attributes.age) <= 4


def test_the_stored_warp_holds_the_face_at_the_points_of_the_template():
    face = only_face("obama/obama2.jpg")
    warp = decode_photo(face.sample).pixels

    [found] = extractor().detect(warp)

    assert np.abs(found.landmarks - alignment.warp_points()).max() < 12


@pytest.mark.parametrize(("orientation", "turn"), [(6, 90), (3, 180), (8, 270)])
def test_a_sideways_photo_is_found_by_its_orientation(orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = opened("obama/obama.jpg").rotate(turn, expand=True)

    [face] = extractor().extract(encoded(turned, exif=exif.tobytes(), quality=95))

    upright = only_face("obama/obama.jpg")
    assert float(face.descriptor @ upright.descriptor) > 0.95
    assert np.abs(np.array(face.rect) - upright.rect).max() < 8


def test_a_face_that_fills_a_big_photo_is_found():
    image = opened("obama/obama.jpg").crop((330, 30, 650, 470)).resize((3200, 4400))

    assert len(extractor().extract(encoded(image))) == 1


def test_rectangles_are_in_pixels_of_the_whole_photo():
    image = opened("obama/obama.jpg")
    small = only_face("obama/obama.jpg").rect

    [face] = extractor().extract(encoded(image.resize((image.width * 3, image.height * 3))))

    assert np.abs(np.array(face.rect) / 3 - small).max() < 24


def test_two_faces_come_larger_first():
    obama, biden = opened("obama/obama.jpg"), opened("biden/biden.jpg").resize((500, 1136))
    both = Image.new("RGB", (obama.width + biden.width, 1137))
    both.paste(biden, (0, 0))
    both.paste(obama, (biden.width, 0))

    faces = extractor().extract(encoded(both))

    assert len(faces) == 2
    assert faces[0].rect[2] > faces[1].rect[2]
    assert float(faces[0].descriptor @ only_face("obama/obama.jpg").descriptor) > 0.9


def test_a_face_too_small_is_not_a_face():
    image = opened("obama/obama.jpg")
    ratio = (MIN_FACE - 8) / 231

    small = image.resize((round(image.width * ratio), round(image.height * ratio)))

    assert extractor().extract(encoded(small)) == []


@pytest.mark.parametrize(
    "size", [(1, 1), (29, 400), (30, 30), (640, 32), (320, 31), (31, 2000), (20_000, 3), (640, 480)]
)
def test_a_picture_of_nothing_has_no_face_whatever_its_shape(size):
    assert extractor().extract(encoded(Image.new("RGB", size, (120, 130, 140)))) == []


@pytest.mark.parametrize("width", [30, 64, 160, 320, 640])
def test_a_narrow_strip_never_gives_faces_made_of_stray_memory(width):
    noise = np.random.default_rng(0).integers(0, 256, (32, width, 3), dtype=np.uint8)

    for _ in range(20):
        assert extractor().detect(noise) == []


def test_bytes_that_are_no_image_are_refused():
    with pytest.raises(BadImage):
        extractor().extract(b"nothing")


def test_missing_models_are_named_with_the_way_to_repair_them(tmp_path):
    with pytest.raises(ModelsMissing, match=r"yunet.*make models"):
        FaceExtractor(tmp_path)


def test_the_web_process_never_loads_opencv(settings):
    settings.LUNATASKS_ROLE = "web"

    with pytest.raises(RuntimeError, match="web"):
        load_cv2(1)


def test_importing_the_faces_does_not_import_opencv():
    code = """
import django, sys; django.setup()
import lunatasks.luna_services.embedded.faces, lunatasks.luna_services.embedded.photos
import lunatasks.luna_services.embedded.face_models.extractor
sys.exit("cv2" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})

    assert done.returncode == 0
