"""Folders and CSV files become a dataset; what can't be used is listed, what can't be learned from is refused."""

import os
import re
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from edgefs.data import load_dataset
from edgefs_runtime.base.errors import DataError


def labels(dataset):
    return [
        (sample.path.relative_to(dataset.root).as_posix(), sample.label, sample.split) for sample in dataset.samples
    ]


def test_flat_class_folders(make):
    root = make("好/一.png", "划痕/a.jpg", "划痕/deeper/still/b.png")
    (root / "划痕" / "notes.txt").write_text("x")
    dataset = load_dataset(str(root))
    assert dataset.layout == "flat"
    assert dataset.classes == ("划痕", "好")
    assert dataset.counts == {"划痕": 2, "好": 1}
    assert [sample.path.name for sample in dataset.samples] == ["a.jpg", "b.png", "一.png"]
    assert dataset.other_files == 1
    sample = dataset.samples[0]
    assert (sample.size, sample.bits, sample.group, sample.split) == ((12, 16), 8, "", "")


@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_split_folders(make, val):
    dataset = load_dataset(make("train/a/1.png", "train/b/2.png", f"{val}/a/3.png", "test/b/4.png"))
    assert dataset.layout == "split"
    assert [(sample.label, sample.split) for sample in dataset.samples] == [
        ("b", "test"),
        ("a", "train"),
        ("b", "train"),
        ("a", "val"),
    ]


def test_train_may_be_a_class(make):
    dataset = load_dataset(make(train=2, bus=2))
    assert (dataset.layout, dataset.classes) == ("flat", ("bus", "train"))


def test_mvtec_folders(make):
    root = make("train/good/1.png", "test/good/2.png", "test/hole/3.png", "ground_truth/hole/3_mask.png")
    dataset = load_dataset(root)
    assert dataset.layout == "mvtec"
    assert labels(dataset) == [
        ("test/good/2.png", "good", "test"),
        ("test/hole/3.png", "hole", "test"),
        ("train/good/1.png", "good", "train"),
    ]
    assert dataset.notes == ()


def test_folders_beside_train_are_mentioned(make):
    dataset = load_dataset(make("train/a/1.png", "train/b/2.png", "old/c/3.png"))
    assert dataset.notes == ("Folders beside train/ were not used: old.",)


def test_hidden_and_system_files_are_passed_over(make):
    root = make("a/1.png", "b/2.png", "__MACOSX/a/3.png", ".git/4.png", "a/._1.png", "a/.thumbs/5.png")
    (root / "a" / "Thumbs.db").touch()
    dataset = load_dataset(root)
    assert labels(dataset) == [("a/1.png", "a", ""), ("b/2.png", "b", "")]
    assert dataset.other_files == 0


def test_loose_images_beside_class_folders_are_left_out(make):
    dataset = load_dataset(make("a/1.png", "b/2.png", "loose.png"))
    assert [(item.path.name, item.reason) for item in dataset.left_out] == [
        ("loose.png", "lies beside the class folders, so it has no label")
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege there")
def test_links_are_followed_and_loops_do_no_harm(make, tmp_path_factory):
    root = make("a/1.png", "b/2.png")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(root / "a" / "1.png", elsewhere / "x.png")
    Image.new("L", (5, 5)).save(elsewhere / "y.png")
    (root / "a" / "linked").symlink_to(elsewhere)
    (elsewhere / "again").symlink_to(elsewhere)
    (root / "a" / "up").symlink_to(root)
    (root / "b" / "self").symlink_to(root / "b")
    (root / "loop").symlink_to(root)
    (root / "b" / "broken.png").symlink_to(root / "nowhere.png")
    (root / "b" / "knot.png").symlink_to(root / "b" / "knot.png")
    dataset = load_dataset(root)
    assert [name for name, _, _ in labels(dataset)] == ["a/1.png", "a/linked/x.png", "a/linked/y.png", "b/2.png"]
    assert [(item.path.name, item.reason) for item in dataset.left_out] == [
        ("broken.png", "no such file"),
        ("knot.png", "no such file"),
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_not_waited_for(make):
    root = make("a/1.png", "b/2.png")
    os.mkfifo(root / "a" / "pipe.png")
    assert [item.reason for item in load_dataset(root).left_out] == ["no such file"]


def test_unusable_images_are_left_out_with_a_reason(make):
    root = make("a/1.png", "b/2.png", "b/cut.jpg", "b/cut.png")
    (root / "a" / "empty.png").touch()
    (root / "a" / "text.png").write_text("hello")
    for name in ("cut.jpg", "cut.png"):
        data = (root / "b" / name).read_bytes()
        (root / "b" / name).write_bytes(data[: len(data) // 2])
    dataset = load_dataset(root)
    assert len(dataset.samples) == 2
    reasons = {item.path.name: item.reason for item in dataset.left_out}
    assert reasons["empty.png"] == "empty file (0 bytes)"
    assert reasons["text.png"] == "not an image in a format that can be read; save it as PNG, JPEG or TIFF"
    assert {"cut.jpg", "cut.png"} < set(reasons)


def test_every_kind_of_image_is_read(make):
    root = make("a/1.png", "b/2.png")
    colour = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 6, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, mode in {"cmyk.jpg": "CMYK", "alpha.png": "RGBA", "palette.png": "P", "one.png": "1"}.items():
        colour.convert(mode).save(root / "a" / name)
    colour.save(root / "a" / "turned.jpg", exif=exif.tobytes())
    Image.fromarray(np.arange(48, dtype=np.uint16).reshape(8, 6) * 999).save(root / "a" / "deep.png")
    dataset = load_dataset(root)
    assert dataset.left_out == ()
    found = {sample.path.name: (sample.size, sample.bits) for sample in dataset.samples}
    assert found["turned.jpg"] == ((6, 8), 8)
    assert found["deep.png"] == ((8, 6), 16)
    assert found["cmyk.jpg"] == found["alpha.png"] == found["palette.png"] == found["one.png"] == ((8, 6), 8)


def test_the_same_file_under_two_labels_is_left_out_twice(make):
    root = make(a=2, b=2)
    shutil.copy(root / "a" / "a000.png", root / "b" / "copy.png")
    dataset = load_dataset(root)
    assert [(item.path.name, item.reason) for item in dataset.left_out] == [
        ("a000.png", "the same file is also labelled 'b': b/copy.png"),
        ("copy.png", "the same file is also labelled 'a': a/a000.png"),
    ]
    assert dataset.counts == {"a": 1, "b": 2}


def test_the_digest_names_the_data_and_not_its_place(make, tmp_path_factory):
    root = make(a=3, b=3)
    copy = shutil.copytree(root, tmp_path_factory.mktemp("copy") / "x")
    assert load_dataset(copy).digest == load_dataset(root).digest
    (copy / "a" / "a000.png").rename(copy / "b" / "a000.png")
    assert load_dataset(copy).digest != load_dataset(root).digest


def test_progress_counts_to_the_end(make):
    seen = []
    load_dataset(make(a=3, b=2), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_one_class_is_enough_to_evaluate_on(make):
    assert load_dataset(make(a=3), minimum_classes=1).classes == ("a",)


def refused(root, message, **options):
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(root, **options)
    assert "\n" not in str(caught.value)


def test_what_is_no_data_is_refused(tmp_path):
    refused(tmp_path / "gone", r"expected a folder .* or a CSV file; found nothing there")
    refused(tmp_path, "no image found; expected one folder of images .* found no folders and 0 other files")
    (tmp_path / "readme.txt").touch()
    refused(tmp_path / "readme.txt", "found a file that is no CSV")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "x.txt").touch()
    refused(tmp_path, "found 1 folder and 2 other files")


def test_loose_images_alone_are_refused(make):
    refused(make("a.png", "b.png"), r"2 loose images \(the first is a.png\); expected one folder of images per class")


def test_one_class_is_refused_with_its_count(make):
    refused(make(scratch=3), "only one class, 'scratch' with 3 images; at least 2 are needed")


@pytest.mark.parametrize(("label", "ok"), [("good", ()), ("fine", ("fine",))])
def test_one_class_of_good_parts_is_enough(make, label, ok):
    assert load_dataset(make(**{label: 3}), ok=ok).classes == (label,)


def test_classes_one_folder_too_deep_are_pointed_out(make):
    root = make("images/a/1.png", "images/b/2.png")
    refused(root, re.escape(f"if a, b are the classes, pass {root / 'images'}"))


def test_an_empty_class_is_refused_by_name(make):
    root = make(a=2, b=2)
    (root / "c").mkdir()
    refused(root, r"class 'c' has no usable image \(none found\)")
    (root / "c" / "x.png").touch()
    refused(root, r"class 'c' has no usable image \(all 1 were left out, c/x.png: empty file")


def test_a_folder_that_cant_name_a_class_is_refused(make):
    refused(make(good=1, unknown=1), "'unknown' is the answer for what no class fits")


def test_a_table_beside_the_folders_is_mentioned(make):
    root = make(images=1, masks=1)
    (root / "parts.csv").write_text("path,label\n")
    assert load_dataset(root).notes == (
        "The folders were taken as classes (images, masks); pass parts.csv to use its labels.",
    )
