"""What makes figures look better than they are, or defects vanish, is found before training."""

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from edgefs.data import load_dataset, near_duplicates, scale_warning
from edgefs.data.duplicates import NearDuplicates
from edgefs_runtime.images.preprocess import Preprocess


def picture(seed, size=(160, 120)):
    """A smooth random picture: as different from the next as two photographs are."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


CHANGES = {
    "compressed": lambda image: image,
    "smaller": lambda image: image.resize((80, 60)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
}


@pytest.fixture
def two_sides(tmp_path):
    """Writes 20 pictures into a/ and what `change` makes of them, and 20 others, into b/."""

    def write(change):
        for i in range(20):
            for name, image in (
                (f"a/{i}.png", picture(i)),
                (f"b/{i}.jpg", change(picture(i))),
                (f"b/{i}.png", picture(100 + i)),
            ):
                (tmp_path / name).parent.mkdir(exist_ok=True)
                image.save(tmp_path / name)
        samples = [dataclasses.replace(s, label="part", group=s.label) for s in load_dataset(tmp_path).samples]
        return [s for s in samples if s.group == "a"], [s for s in samples if s.group == "b"]

    return write


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_near_and_others_are_not(two_sides, change):
    a, b = two_sides(CHANGES[change])
    pairs = near_duplicates(a, b).pairs
    assert sorted(right.path.name for _, right in pairs) == sorted(f"{i}.jpg" for i in range(20))
    assert all(left.path.stem == right.path.stem for left, right in pairs)


def test_sixteen_bit_copies_are_near_and_flat_images_are_not(tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        Image.new("L", (20, 20), 100 + ord(folder)).save(tmp_path / folder / "flat.png")
    picture(0).save(tmp_path / "a" / "x.png")
    Image.fromarray(np.asarray(picture(0)).astype(np.uint16) * 16).save(tmp_path / "b" / "x.png")
    samples = load_dataset(tmp_path).samples
    pairs = near_duplicates(samples[:2], [dataclasses.replace(sample, label="a") for sample in samples[2:]]).pairs
    assert [(left.path.name, right.path.name) for left, right in pairs] == [("x.png", "x.png")]
    assert near_duplicates([], samples) == near_duplicates(samples, []) == NearDuplicates((), 0)


def cell(part):
    """A part in a fixture that shows more than the part does: two bars, and a little texture of its own."""
    fixture = np.zeros((120, 160))
    fixture[:, 40:60], fixture[:, 100:110] = 200, -200
    texture = np.asarray(picture(part), np.float64) - 128
    return Image.fromarray(np.clip(128 + 0.4 * fixture + 0.15 * texture, 0, 255).astype(np.uint8))


def test_parts_that_a_fixture_makes_look_alike_are_counted_and_copies_are_named(tmp_path):
    """173 of 300 solar cells were called near-duplicates, most of them of the other class."""
    for side, first in (("a", 0), ("b", 100)):
        for label in ("good", "crack"):
            (tmp_path / side / label).mkdir(parents=True)
            for part in range(30):
                cell(first + part + 50 * (label == "crack")).save(tmp_path / side / label / f"{part}.png")
    cell(3).save(tmp_path / "b" / "good" / "copy.jpg", quality=90)
    sides = [load_dataset(tmp_path / side).samples for side in "ab"]
    found = near_duplicates(*sides)
    assert [(left.path.name, right.path.name) for left, right in found.pairs] == [("3.png", "copy.jpg")]
    assert found.alike > 50


def test_a_copy_under_another_label_is_named(two_sides):
    a, b = two_sides(CHANGES["compressed"])
    b = [dataclasses.replace(s, label="other") if s.path.name == "7.jpg" else s for s in b]
    assert "7.jpg" in {right.path.name for _, right in near_duplicates(a, b).pairs}
    assert len(near_duplicates(a, b).pairs) == 20


@pytest.fixture
def large(tmp_path):
    for name in ("a/1.png", "b/1.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("L", (1200, 600), ord(name[0])).save(tmp_path / name)
    return load_dataset(tmp_path).samples


@pytest.mark.parametrize(
    ("preprocess", "ratio"),
    [
        (Preprocess((200, 200)), "6 x 3"),
        (Preprocess((200, 200), resize="pad"), "6 x 6"),
        (Preprocess((200, 200), resize="crop"), "3 x 3"),
        (Preprocess((200, 200), rotation=90), "3 x 6"),
    ],
)
def test_a_coarse_input_is_warned_of_with_its_ratio(large, preprocess, ratio):
    assert f"One input pixel covers {ratio} original pixels" in scale_warning(large, preprocess)


def test_a_fine_input_or_a_region_of_interest_is_not_warned_of(large):
    assert scale_warning(large, Preprocess((600, 600))) is None
    assert scale_warning(large, Preprocess((200, 200), roi=(0, 0, 400, 400))) is None
    assert scale_warning([], Preprocess((200, 200))) is None
