"""The profiles of the extractor: which version a descriptor has, and that versions are really different."""

import os
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest

from lunatasks.luna_services.descriptors import EXTRACTABLE, SFACE, SFACE_MIRRORED, VERSIONS
from lunatasks.luna_services.embedded.face_models.extractor import (
    FaceExtractor,
    Wanted,
    default_extractor,
    extractor_of,
)
from lunatasks.luna_services.ports import BadImage
from tests.photos import encoded, opened, photo

OBAMA = ["obama/obama.jpg", "obama/obama2.jpg", "obama/obama3.jpg"]


@pytest.fixture(autouse=True)
def remembered_faces():
    """The nets themselves are tested here."""


def descriptor(name: str, version: int) -> np.ndarray:
    [face] = extractor_of(version).extract(photo(name).read_bytes())
    return face.descriptor


def test_what_can_be_extracted_is_known_by_its_curve():
    assert set(VERSIONS) >= EXTRACTABLE
    assert len({VERSIONS[version].name for version in EXTRACTABLE}) == len(EXTRACTABLE)


def test_the_mirrored_profile_tells_persons_apart_as_well():
    faces = [descriptor(name, SFACE_MIRRORED.number) for name in OBAMA]
    other = descriptor("biden/biden.jpg", SFACE_MIRRORED.number)

    assert min(float(a @ b) for a, b in combinations(faces, 2)) > SFACE_MIRRORED.cluster_score
    assert max(float(a @ other) for a in faces) < SFACE_MIRRORED.middle


def test_a_face_and_its_mirror_image_are_nearly_one_descriptor_of_the_mirrored_profile():
    mirrored = encoded(opened(OBAMA[0]).transpose(0), quality=95)

    scores = {
        version: float(extractor_of(version).extract(mirrored)[0].descriptor @ descriptor(OBAMA[0], version))
        for version in EXTRACTABLE
    }

    assert scores[SFACE_MIRRORED.number] > max(0.95, scores[SFACE.number])


def test_the_profiles_make_different_normalised_descriptors():
    plain, mirrored = (descriptor(OBAMA[0], version) for version in (SFACE.number, SFACE_MIRRORED.number))

    assert 0.8 < float(plain @ mirrored) < 0.9999
    assert np.linalg.norm(mirrored) == pytest.approx(1, abs=1e-6)
    assert mirrored.dtype == np.float32


@pytest.mark.parametrize("version", sorted(EXTRACTABLE))
def test_the_setting_picks_the_profile(settings, version):
    settings.LUNATASKS_FACE_VERSION = version

    assert default_extractor().version == version


def test_a_version_without_a_model_is_refused(settings):
    with pytest.raises(ValueError, match="59"):
        FaceExtractor(settings.LUNATASKS_MODELS_DIR, version=59)


@pytest.mark.parametrize("version", sorted(EXTRACTABLE))
def test_a_stored_warp_gives_the_face_again_without_looking_for_it(version):
    extractor = extractor_of(version)
    [face] = extractor.extract(photo(OBAMA[1]).read_bytes())

    again = extractor.estimate_warp(face.sample, Wanted())

    assert float(again.descriptor @ face.descriptor) > 0.96
    assert abs(again.attributes.age - face.attributes.age) <= 5
    assert again.rect == (0, 0, 250, 250)


def test_only_what_is_wanted_is_computed():
    wanted = Wanted(descriptor=False, attributes=False, sample=False)

    [face] = default_extractor().extract(photo(OBAMA[0]).read_bytes(), wanted)

    assert face.descriptor is None
    assert face.attributes.age is None
    assert face.sample == b""


@pytest.mark.parametrize("size", [(249, 250), (1, 1), (500, 500)])
def test_a_warp_of_another_size_is_refused(size):
    data = encoded(opened(OBAMA[0]).resize(size))

    with pytest.raises(BadImage, match="250 x 250"):
        default_extractor().estimate_warp(data, Wanted())


@pytest.mark.parametrize(("profile", "version"), [("sface", SFACE.number), ("sface-mirrored", SFACE_MIRRORED.number)])
def test_the_environment_names_the_profile_that_tasks_work_with(profile, version):
    code = "from tasks_app.contents.versions import default_version as of; print(of('face').number)"
    environment = os.environ | {"LUNATASKS_FACE_EXTRACTOR": profile, "PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup(); {code}"],
        env=environment,
        capture_output=True,
        text=True,
    )

    assert done.stdout.strip() == str(version), done.stderr
