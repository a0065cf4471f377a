"""The renderer: seeded, diverse, usable as a data folder."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from edgefs.render import PART_KINDS, render_part, render_training_image, write_line
from edgefs.render.materials import MATERIALS


def _training_images(count, size=64):
    return [render_training_image(np.random.default_rng(seed), size) for seed in range(count)]


def test_training_images_are_rgb_bytes_of_the_asked_size():
    for size in (32, 96, 128):
        image = render_training_image(np.random.default_rng(0), size)
        assert image.shape == (size, size, 3)
        assert image.dtype == np.uint8


def test_the_same_seed_gives_the_same_training_image():
    for first, second in zip(_training_images(10), _training_images(10), strict=True):
        np.testing.assert_array_equal(first, second)


def test_training_images_are_all_different_and_few_are_empty():
    images = _training_images(200)
    assert len({image.tobytes() for image in images}) == 200
    assert sum(image.std() < 1 for image in images) <= 10


def test_training_images_are_grey_and_coloured_dark_and_bright_faint_and_harsh():
    images = _training_images(200)
    grey = np.mean([np.ptp(image.astype(int), axis=2).max() == 0 for image in images])
    means, deviations = [image.mean() for image in images], [image.std() for image in images]
    assert 0.2 < grey < 0.9
    assert min(means) < 50
    assert max(means) > 200
    assert np.quantile(deviations, 0.1) < 25
    assert np.quantile(deviations, 0.9) > 50


@pytest.mark.parametrize("name", sorted(MATERIALS))
def test_every_material_varies_from_one_seed_to_the_next(name):
    fields = [MATERIALS[name](np.random.default_rng(seed), 64) for seed in range(3)]
    assert all(np.isfinite(field).all() and field.shape == (64, 64) and field.std() > 0 for field in fields)
    assert not np.allclose(fields[0], fields[1])


@pytest.mark.parametrize("kind", PART_KINDS)
def test_the_same_seed_gives_the_same_part(kind):
    first, second = (render_part(np.random.default_rng(7), kind, 128) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (128, 128, 3)
    assert first.dtype == np.uint8


@pytest.mark.parametrize("kind", [kind for kind in PART_KINDS if kind != "good"])
def test_a_defect_changes_a_small_place_of_an_otherwise_equal_part(kind):
    for seed in range(5):
        good = render_part(np.random.default_rng(seed), "good").astype(int)
        defective = render_part(np.random.default_rng(seed), kind).astype(int)
        smooth = np.abs(_blurred(good) - _blurred(defective))
        assert (smooth > 12).mean() > 0.0005, seed
        assert (smooth > 12).mean() < 0.25, seed


def test_an_unknown_kind_is_refused_with_the_kinds_there_are():
    with pytest.raises(ValueError, match=r"'rust'.*good, scratch"):
        render_part(np.random.default_rng(0), "rust")


def test_a_line_is_a_class_folder_of_png_files(tmp_path):
    assert write_line(tmp_path, 2, seed=3, kinds=("good", "crack"), size=64) == 4
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")) == [
        "crack/000.png", "crack/001.png", "good/000.png", "good/001.png",
    ]  # fmt: skip
    assert Image.open(tmp_path / "good" / "000.png").size == (64, 64)


def test_a_longer_line_begins_with_the_shorter_one(tmp_path):
    write_line(tmp_path / "short", 1, seed=3, kinds=("dent",), size=64)
    write_line(tmp_path / "long", 2, seed=3, kinds=("good", "dent"), size=64)
    first = [(tmp_path / line / "dent" / "000.png").read_bytes() for line in ("short", "long")]
    assert first[0] == first[1]


def test_rendering_imports_no_torch():
    code = "import sys, edgefs.render; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _blurred(image):
    return image.mean(axis=2).reshape(64, 4, 64, 4).mean(axis=(1, 3))
