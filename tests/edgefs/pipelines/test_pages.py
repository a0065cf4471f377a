"""Files of several pages, and damaged ones: what `adapt` was told holds on the device, too."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from containers import pillow, tiff
from PIL import Image
from textures import draw

from edgefs.cli import main
from edgefs.data import load_dataset
from edgefs.look import look_at
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.evaluate import evaluate
from edgefs.pipelines.export import export
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Classifier
from edgefs_runtime.base.errors import DataError, ImageError
from edgefs_runtime.images.preprocess import Preprocess


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A folder of TIFF files whose first page is the same everywhere, and whose second shows the part."""
    for kind in ("good", "stripes"):
        (tmp_path / "pages" / kind).mkdir(parents=True)
        for number in range(6):
            part = draw(kind, number)
            first = np.random.default_rng(1).integers(0, 256, part.shape, np.uint8)
            (tmp_path / "pages" / kind / f"{number}.tif").write_bytes(tiff(first, part))
    return tmp_path / "pages"


def test_without_a_page_such_files_are_left_out_and_the_message_says_how_to_choose(pages: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds 2 pages or frames .* --page N \(1 to 2\)"):
        adapt(pages, tmp_path / "run", AdaptSettings(backbone="tiny", shots=4))


def test_the_page_that_is_learned_from_is_the_one_that_is_decided_about(pages: Path, tmp_path: Path) -> None:
    run, measured = adapt(pages, tmp_path / "run", AdaptSettings(backbone="tiny", shots=4, page=2, use_cache=False))
    assert measured.test is not None
    assert measured.test.evaluation.nearest.accuracy.value == 1
    assert evaluate(run.folder, pages).evaluation.nearest.accuracy.value == 1
    bundle = export(run.folder, tmp_path / "pages.edgefs", keep_images="support", use_cache=False)
    path = tmp_path / "pages.edgefs"
    assert bundle is not None
    classifier = Classifier.open(path, seed_only=True)
    assert classifier.bundle.manifest.preprocess.page == 2
    (decision,) = classifier.predict([pages / "stripes" / "5.tif"])
    assert decision.nearest == "stripes"
    (alike,) = classifier.predict([draw("stripes", 5)])  # an array has no pages
    assert alike.score == decision.score
    with Image.open(io.BytesIO(classifier.thumbnails("stripes")[0])) as kept:
        learned = [image.path for image in run.record.images.train if image.label == "stripes"]
        shown = [classifier.bundle.manifest.preprocess(draw("stripes", int(Path(path).stem))) for path in learned]
        assert any(np.array_equal(np.asarray(kept), pixels) for pixels in shown)
    with pytest.raises(ImageError, match="page 2 is to be looked at"):
        classifier.predict([tiff(draw("good", 1))])


def test_damaged_frames_are_left_out_and_learned_from_only_where_that_is_asked_for(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for kind in ("good", "dots"):
        (data / kind).mkdir(parents=True)
        for number in range(5):
            whole = pillow(draw(kind, number), "JPEG", quality=95)
            cut = whole[: len(whole) * 9 // 10] + b"\xff\xd9" if number == 0 else whole
            (data / kind / f"{number}.jpg").write_bytes(cut)
    left_out = load_dataset(data).left_out
    assert [item.path.name for item in left_out] == ["0.jpg", "0.jpg"]
    assert all("--damaged keep" in item.reason for item in left_out)
    options = ["--backbone", "tiny", "--shots", "3", "--no-cache", "--damaged", "keep"]
    result = CliRunner().invoke(main, ["adapt", str(data), "-o", str(tmp_path / "run"), *options])
    assert result.exit_code == 0, result.output
    fields = json.loads((tmp_path / "run" / "run.json").read_text())
    assert fields["left_out"] == []
    assert fields["preprocess"]["damaged"] == "keep"


def test_look_shows_the_page_that_would_be_learned_from(pages: Path) -> None:
    sheet = look_at(pages, Preprocess((48, 48), page=2), images=1)
    assert [one.images for one in sheet.classes] == [6, 6]
    assert sheet.classes[0].shown[0].input is not None
