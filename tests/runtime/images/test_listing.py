"""Whoever lists a folder sees the same files: links, natural order, system folders, suffixes."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefs_runtime.base.errors import DataError
from edgefs_runtime.images.listing import find_images, list_images, natural_key, passed_over

pytestmark = pytest.mark.device

SYSTEM = [
    *("@eaDir", "@EADIR", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", "lost+found", "$RECYCLE.BIN"),
    *("System Volume Information", "RECYCLER", ".Trash-1000", ".AppleDouble", "__MACOSX", "Network Trash Folder"),
    *("Temporary Items", "FOUND.000", "_gsdata_", ".thumbnails", ".ipynb_checkpoints"),
]
READ = ["jpg", "JPEG", "jpe", "jfif", "jif", "jfi", "png", "apng", "bmp", "dib", "tif", "TIFF", "btf", "webp", "gif"]
READ += ["pbm", "pgm", "ppm", "pnm"]


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def below(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in find_images(root)]


def test_images_are_found_at_any_depth_in_natural_order(tmp_path: Path) -> None:
    names = ["a/img_2.png", "a/img_10.png", "a/img_010b.png", "b2/x.JPG", "b10/x.jpg", "图9.png", "图10.png"]
    touch(tmp_path, *reversed(names), "a/notes.txt", ".cache/d.png", ".e.png")
    assert below(tmp_path) == names


def test_numbers_of_any_length_and_script_have_an_order() -> None:
    names = ["1", "01", "٣", "9" * 5000, "1" + "0" * 5000, "²", "a1", "A2", "a10", ""]
    ordered = sorted(names, key=natural_key)
    assert len({natural_key(name) for name in names}) == len(names)
    assert ordered.index("9" * 5000) < ordered.index("1" + "0" * 5000)
    assert ordered.index("a1") < ordered.index("A2") < ordered.index("a10")


@pytest.mark.parametrize("name", SYSTEM)
def test_folders_of_systems_and_network_drives_are_passed_over_at_every_depth(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "a.png", f"{name}/b.png", f"deep/{name}/more/c.png", "Thumbs.db", "deep/desktop.ini", "._a.png")
    assert below(tmp_path) == ["a.png"]
    assert list_images(tmp_path)[1] == []


@pytest.mark.parametrize("suffix", READ)
def test_every_suffix_that_can_be_read_is_an_image(tmp_path: Path, suffix: str) -> None:
    touch(tmp_path, f"a.{suffix}")
    assert below(tmp_path) == [f"a.{suffix}"]


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege there")
def test_links_are_followed_once_and_never_in_circles(tmp_path: Path) -> None:
    real = touch(tmp_path / "real", "one.png", "deep/two.png")
    root = touch(tmp_path / "root", "own.png", "dir/x.png")
    (root / "linked").symlink_to(real)
    (root / "linked-again").symlink_to(real)
    (root / "up").symlink_to(tmp_path)
    (root / "dir" / "self").symlink_to(root)
    (real / "back").symlink_to(root / "dir")
    (root / "file.png").symlink_to(real / "one.png")
    (root / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert below(root) == ["dir/x.png", "file.png", "gone.png", "linked/deep/two.png", "linked/one.png", "own.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert find_images(tmp_path) == []


def test_a_folder_that_cannot_be_listed_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone: can't be read"):
        find_images(tmp_path / "gone")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], ""),
        (["a.txt"], "1 file was passed over, which is no image by its suffix: a.txt."),
        (
            ["a.xyz", "b.xyz", "c.jp2", "noise"],
            "4 files were passed over, which are no images by their suffix: 2 .xyz (the first is a.xyz), 1 .jp2, "
            "1 without a suffix. To use .jp2, convert them to PNG or JPEG.",
        ),
        (
            [f"a.{kind}" for kind in "uvwxyz"],
            "6 files were passed over, which are no images by their suffix: 1 .u (the first is a.u), 1 .v, 1 .w, 1 .x, "
            "2 more.",
        ),
    ],
)
def test_what_is_passed_over_is_said_with_counts_and_an_example(names: list[str], said: str) -> None:
    assert passed_over([Path(name) for name in names]) == said


NAMES = st.sampled_from(["a", "b10", "b2", "划痕", "Ä", "@eaDir", ".hidden", "$RECYCLE.BIN", "lost+found", "x y"])
FILES = st.tuples(
    st.lists(NAMES, max_size=3),
    st.sampled_from(["1", "10", "2", "._3", "n"]),
    st.sampled_from([".png", ".JFIF", ".txt", ""]),
)


@given(files=st.lists(FILES, max_size=12), links=st.lists(st.tuples(st.lists(NAMES, max_size=2), st.integers(0, 2))))
@settings(max_examples=60, deadline=None)
@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege there")
def test_what_is_listed_is_what_was_written(files, links) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, elsewhere = Path(folder, "root").resolve(), Path(folder, "elsewhere").resolve()
        root.mkdir()
        written = {Path(*folders, stem + suffix) for folders, stem, suffix in files}
        touch(root, *map(str, written))
        expected = {root / name for name in written if not _is_hidden(name)}
        for folders, number in links:  # each elsewhere holds one image, and a way back
            target = touch(elsewhere, f"{number}/{number}.png") / str(number)
            (target / "back").unlink(missing_ok=True)
            (target / "back").symlink_to(root)
            place = root.joinpath(*folders, f"link{number}")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            place.symlink_to(target)
            expected |= set() if _is_hidden(place.relative_to(root)) else {target / f"{number}.png"}
        images, others = list_images(root)
        assert sorted(path.resolve() for path in images) == sorted(path for path in expected if _is_image(path))
        assert sorted(path.resolve() for path in others) == sorted(path for path in expected if not _is_image(path))
        keys = [[natural_key(part) for part in path.relative_to(root).parts] for path in images]
        assert keys == sorted(keys)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part in ("@eaDir", "$RECYCLE.BIN", "lost+found") for part in path.parts)


def _is_image(path: Path) -> bool:
    return path.suffix in (".png", ".JFIF")
