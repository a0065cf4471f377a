"""A frame becomes the same uint8 tensor on the workstation and on the camera."""

import json

import numpy as np
import pytest
from containers import netpbm, pillow, tiff
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgefs_runtime.base.errors import BundleError, ImageError
from edgefs_runtime.images.preprocess import SYMMETRIES, Preprocess

pytestmark = pytest.mark.device

COLOUR = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
SETTINGS = st.builds(
    Preprocess,
    size=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    roi=st.none() | st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 40), st.integers(1, 20)),
    rotation=st.sampled_from([0, 90, 180, 270]),
    channels=st.sampled_from(["rgb", "mono"]),
    window=st.tuples(st.integers(0, 1000), st.integers(1001, 65535)),
    resize=st.sampled_from(["stretch", "pad", "crop"]),
    interpolation=st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos"]),
    page=st.none() | st.integers(1, 9),
    damaged=st.sampled_from(["refuse", "keep"]),
)


@given(SETTINGS)
def test_settings_survive_json(preprocess):
    assert Preprocess.from_json(json.loads(json.dumps(preprocess.to_json()))) == preprocess


@given(SETTINGS)
def test_the_result_always_has_the_size_asked_for(preprocess):
    deep = COLOUR.astype(np.uint16) * 257
    for frame in (COLOUR, COLOUR[:, :, 0], deep, deep[:, :, 0]):
        pixels = preprocess(frame)
        assert pixels.shape == (*preprocess.size, 3)
        assert pixels.dtype == np.uint8


def test_a_frame_of_the_right_size_is_left_alone():
    assert np.array_equal(Preprocess((40, 60))(COLOUR), COLOUR)


def test_grey_becomes_three_equal_channels():
    pixels = Preprocess((20, 20))(COLOUR[:, :, 0])
    assert (pixels == pixels[:, :, :1]).all()


def test_mono_drops_colour():
    red = np.zeros((8, 8, 3), np.uint8)
    red[:, :, 0] = 200
    pixels = Preprocess((8, 8), channels="mono")(red)
    assert (pixels == 60).all()  # 0.299 of 200


def test_the_region_of_interest_is_cut_before_the_turn():
    preprocess = Preprocess((30, 10), roi=(5, 7, 30, 10), rotation=90)
    assert np.array_equal(preprocess(COLOUR), np.rot90(COLOUR[7:17, 5:35]))
    assert preprocess.input_size((40, 60)) == (30, 10)
    assert Preprocess((8, 8), rotation=270).input_size((40, 60)) == (60, 40)
    assert Preprocess((8, 8)).input_size((40, 60)) == (40, 60)


@pytest.mark.parametrize("roi", [(31, 0, 30, 40), (0, 1, 60, 40), (100, 100, 1, 1)])
def test_a_region_outside_the_image_is_refused(roi):
    with pytest.raises(ImageError, match=r"region of interest .* lies outside the image of 60 x 40"):
        Preprocess((8, 8), roi=roi)(COLOUR)


def test_the_window_maps_raw_values_to_eight_bits():
    raw = np.array([[0, 1000, 2000, 3000, 65535]], np.uint16)
    assert Preprocess((1, 5), window=(1000, 3000))(raw)[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    assert Preprocess((1, 5))(raw)[0, :, 0].tolist() == [0, 4, 8, 12, 255]


@pytest.mark.parametrize("window", [(0, 65535), (0, 4095), (1000, 3000), (17, 60001), (65534, 65535), (0, 1)])
def test_every_count_becomes_the_grey_level_that_it_always_became(window):
    counts = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    black, white = window
    scaled = np.clip((counts.astype(np.float32) - black) * (255.0 / (white - black)), 0, 255)
    expected = np.rint(scaled).astype(np.uint8)
    assert np.array_equal(Preprocess((256, 256), window=window)(counts)[:, :, 0], expected)


def test_the_window_applies_to_colour_as_to_grey():
    grey = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    preprocess = Preprocess((64, 64), window=(100, 3000))
    assert np.array_equal(preprocess(np.dstack([grey] * 3)), preprocess(grey))
    colour = preprocess(np.dstack([grey, grey[::-1], grey[:, ::-1]]))
    assert np.array_equal(colour[:, :, 1], preprocess(grey)[::-1, :, 0])


def test_without_a_window_white_is_what_the_file_calls_white():
    counts = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    files = [netpbm(counts, 4095), tiff({"samples": counts, "bits": 12})]
    expected = np.rint(counts.astype(int) * 255 / 4095)
    for file in files:
        assert np.array_equal(Preprocess((64, 64))(file)[:, :, 0], expected)
        assert np.array_equal(Preprocess((64, 64), window=(0, 4095))(file)[:, :, 0], expected)
    assert Preprocess((64, 64))(counts).max() == round(4095 * 255 / 65535)  # an array does not say


def test_the_page_that_is_looked_at_and_what_is_kept_of_damage_travel_with_the_settings():
    pages = tiff(COLOUR, 255 - COLOUR)
    with pytest.raises(ImageError, match="holds 2 pages"):
        Preprocess((40, 60))(pages)
    assert np.array_equal(Preprocess((40, 60), page=2)(pages), 255 - COLOUR)
    whole = pillow(COLOUR, "JPEG")
    cut = whole[: len(whole) * 2 // 3] + b"\xff\xd9"
    with pytest.raises(ImageError, match="damaged image"):
        Preprocess((40, 60))(cut)
    assert np.array_equal(Preprocess((40, 60), damaged="keep")(cut)[:8], Preprocess((40, 60))(whole)[:8])


def test_settings_that_came_later_are_written_only_when_they_say_something():
    before = {
        "size": [32, 32],
        "roi": None,
        "rotation": 0,
        "channels": "rgb",
        "window": [0, 65535],
        "resize": "stretch",
        "interpolation": "bilinear",
        "symmetries": [],
    }
    assert Preprocess((32, 32)).to_json() == before  # the name of an embedding space is made of this
    assert Preprocess.from_json(before) == Preprocess((32, 32))
    assert Preprocess((32, 32), page=2, damaged="keep").to_json() == {**before, "page": 2, "damaged": "keep"}


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_turn_goes_counter_clockwise_at_every_depth(rotation, dtype):
    frame = COLOUR.astype(dtype) * (257 if dtype == np.uint16 else 1)
    size = (40, 60) if rotation % 180 == 0 else (60, 40)
    assert np.array_equal(Preprocess(size, rotation=rotation)(frame), np.rot90(COLOUR, rotation // 90))


def test_the_window_leaves_eight_bit_frames_alone():
    assert np.array_equal(Preprocess((40, 60), window=(1000, 3000))(COLOUR), COLOUR)


def test_pad_keeps_the_whole_frame_and_crop_fills_the_input():
    white = np.full((20, 40), 255, np.uint8)
    padded = Preprocess((40, 40), resize="pad")(white)[:, :, 0]
    assert (padded[10:30] == 255).all()
    assert not padded[:10].any()
    assert not padded[30:].any()
    assert (Preprocess((40, 40), resize="crop")(white) == 255).all()


def test_crop_takes_the_middle():
    frame = np.zeros((10, 30), np.uint8)
    frame[:, 10:20] = 255
    assert (Preprocess((10, 10), resize="crop")(frame) == 255).all()


def test_shrinking_averages_instead_of_skipping():
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    assert abs(Preprocess((8, 8))(stripes).astype(int) - 127).max() < 10


def test_paths_bytes_images_and_arrays_give_the_same_pixels(tmp_path):
    path = tmp_path / "零件.png"
    Image.fromarray(COLOUR).save(path)
    preprocess = Preprocess((32, 32))
    batch = preprocess.batch([path, str(path), path.read_bytes(), Image.fromarray(COLOUR), COLOUR])
    assert batch.shape == (5, 32, 32, 3)
    assert (batch == batch[:1]).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", [0, 224]),
        ("size", [224]),
        ("roi", [0, 0, 0, 5]),
        ("roi", [-1, 0, 5, 5]),
        ("rotation", 45),
        ("channels", "bgr"),
        ("window", [5, 5]),
        ("window", [0, 70000]),
        ("resize", "squash"),
        ("interpolation", "magic"),
        ("symmetries", ["h", "h"]),
        ("symmetries", ["left"]),
        ("page", 0),
        ("page", "1"),
        ("damaged", "ignore"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(BundleError, match=f"preprocess.{field}"):
        Preprocess.from_json({"size": [224, 224], field: value})


def test_unknown_settings_are_refused():
    with pytest.raises(BundleError, match="another runtime"):
        Preprocess.from_json({"size": [224, 224], "sharpen": 2})
    with pytest.raises(BundleError, match="another runtime"):
        Preprocess.from_json({})


def test_an_image_that_teaches_is_seen_in_the_symmetries_of_a_square():
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    every = tuple(name for name in SYMMETRIES if name)
    seen = Preprocess((4, 4), symmetries=every).seen(pixels)
    assert seen.shape == (8, 4, 4, 3)
    assert (seen[0] == pixels).all()
    turned = [np.rot90(flip, turns) for flip in (pixels, pixels[:, ::-1]) for turns in range(4)]
    assert sorted(view.tobytes() for view in seen) == sorted(np.ascontiguousarray(view).tobytes() for view in turned)
    assert Preprocess((4, 4)).seen(pixels).shape == (1, 4, 4, 3)


def test_what_needs_a_square_is_refused_without_one():
    assert Preprocess((4, 6), symmetries=("h", "v", "hv")).views == 4
    with pytest.raises(BundleError, match=r"preprocess\.symmetries"):
        Preprocess((4, 6), symmetries=("t",))
