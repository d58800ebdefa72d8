"""Decoding of strangers' bytes: pixels or BadImage, never anything else."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lunatasks.luna_services.embedded import images
from lunatasks.luna_services.embedded.images import check_jpeg, decode_photo
from lunatasks.luna_services.ports import BadImage
from tests.photos import encoded

GRADIENT = Image.fromarray(np.tile(np.arange(0, 240, 4, dtype=np.uint8), (40, 1)))


def colours() -> Image.Image:
    """60 x 40: red on the left, blue on the right."""
    image = Image.new("RGB", (60, 40), (200, 20, 20))
    image.paste((20, 20, 200), (30, 0, 60, 40))
    return image


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises so many pixels and holds none."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_every_format_gives_the_same_colours(kind):
    pixels = decode_photo(encoded(colours(), kind)).pixels

    assert pixels.shape == (40, 60, 3)
    assert pixels.dtype == np.uint8
    assert abs(pixels[20, 10].astype(int) - (200, 20, 20)).max() < 12
    assert abs(pixels[20, 50].astype(int) - (20, 20, 200)).max() < 12


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(mode):
    kind = {"CMYK": "JPEG", "YCbCr": "JPEG"}.get(mode, "PNG")

    pixels = decode_photo(encoded(colours().convert(mode), kind)).pixels

    assert pixels.shape == (40, 60, 3)


def test_a_palette_with_transparent_colours_is_read_without_a_warning():
    image = colours().convert("P")

    pixels = decode_photo(encoded(image, "PNG", transparency=b"\x00\x80")).pixels

    assert pixels.shape == (40, 60, 3)


def test_16_bits_are_scaled_not_clipped():
    wide = np.asarray(GRADIENT).astype(np.uint16) * 256

    pixels = decode_photo(encoded(Image.fromarray(wide), "PNG")).pixels

    assert (pixels[:, :, 0] == np.asarray(GRADIENT)).all()


def test_of_an_animation_the_first_frame_counts():
    second = Image.new("RGB", (60, 40), "white")
    data = encoded(colours(), "GIF", save_all=True, append_images=[second])

    assert decode_photo(data).pixels[20, 50, 2] > 150
    assert decode_photo(data).pixels[20, 50, 0] < 60


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_stands_upright_by_its_orientation(orientation):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = colours()
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = image.transpose(undo[orientation]) if orientation in undo else image

    photo = decode_photo(encoded(stored, exif=exif.tobytes()))

    assert (photo.width, photo.height) == (60, 40)
    assert photo.pixels[20, 10, 0] > 150
    assert photo.pixels[20, 50, 2] > 150


def test_a_big_jpeg_is_decoded_smaller_but_never_below_the_need():
    photo = decode_photo(encoded(Image.new("RGB", (4000, 3000))), long_side=1280)

    assert (photo.width, photo.height) == (4000, 3000)
    assert 1280 <= photo.pixels.shape[1] < 4000


@pytest.mark.parametrize("side", [50_000, 2_000_000])
def test_an_image_bomb_is_refused_by_its_header(side):
    with pytest.raises(BadImage):
        decode_photo(png_header(side, side))


def test_more_bytes_than_the_limit_are_refused(monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 10)

    with pytest.raises(BadImage):
        decode_photo(encoded(colours()))


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xd8\xff", b"not an image at all", b"%PDF-1.4", b"GIF89a", png_header(10, 10), b"\x00" * 1000],
)
def test_what_is_no_image_is_refused(data):
    with pytest.raises(BadImage):
        decode_photo(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_image_is_refused(kind, share):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8))
    data = encoded(noise, kind)

    with pytest.raises(BadImage):
        decode_photo(data[: int(len(data) * share)])


def test_floating_point_pixels_are_refused():
    with pytest.raises(BadImage):
        decode_photo(encoded(Image.fromarray(np.ones((9, 9), dtype=np.float32)), "TIFF"))


@given(st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"]), st.data())
def test_damaged_bytes_are_an_image_or_refused(kind, data):
    whole = bytearray(encoded(colours(), kind))
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=8)):
        whole[place] = data.draw(st.integers(0, 255))

    try:
        pixels = decode_photo(bytes(whole)).pixels
    except BadImage:
        return
    assert pixels.shape[2] == 3


def test_the_reason_quotes_nothing_of_the_file():
    with pytest.raises(BadImage) as refused:
        decode_photo(b"secret words in a file")

    assert "secret" not in str(refused.value)


def test_a_sample_is_a_whole_jpeg():
    check_jpeg(encoded(colours()))

    for bad in (encoded(colours(), "PNG"), encoded(colours())[:300], b""):
        with pytest.raises(BadImage):
            check_jpeg(bad)


def test_a_sample_is_not_huge():
    with pytest.raises(BadImage):
        check_jpeg(encoded(Image.new("L", (5000, 10))))
