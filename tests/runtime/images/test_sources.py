"""What is one frame and what several, everywhere in the API; and what an error calls its image."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from textures import draw

from edgefs_runtime import Classifier, Decision, GalleryError, ImageError
from edgefs_runtime.images.sources import frames_of

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]

ALONE: dict[str, Callable[[Path], object]] = {
    "an array [H,W,3]": lambda path: np.asarray(Image.open(path)),
    "an array [H,W]": lambda path: np.asarray(Image.open(path).convert("L")),
    "a Path": lambda path: path,
    "a str": str,
    "bytes": lambda path: path.read_bytes(),
    "a bytearray": lambda path: bytearray(path.read_bytes()),
    "an open file": lambda path: path.open("rb"),
    "a BytesIO": lambda path: io.BytesIO(path.read_bytes()),
    "a Pillow image": lambda path: Image.open(path),
    "what numpy takes as it is": lambda path: Tensor(np.asarray(Image.open(path))),
}


class Tensor:
    """As torch's, which numpy takes as it is."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return self._array

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self._array)


@pytest.fixture
def classifier(bundle: Path) -> Iterator[Classifier]:
    with Classifier.open(bundle) as opened:
        yield opened


@pytest.mark.parametrize("kind", ALONE)
def test_one_given_alone_is_one_frame_everywhere(classifier: Classifier, pictures: Pictures, kind: str) -> None:
    (path,) = pictures("dots", 1)
    given = ALONE[kind]
    (in_a_list,) = classifier.predict([given(path)])
    (alone,) = classifier.predict(given(path))  # type: ignore[arg-type]
    assert (alone.score, alone.nearest) == (in_a_list.score, "dots")
    (each,) = classifier.predict_each(given(path))  # type: ignore[arg-type]
    assert isinstance(each, Decision)
    assert each.score == alone.score
    assert classifier.embed(given(path)).shape == (1, classifier.embed([path]).shape[1])  # type: ignore[arg-type]
    assert classifier.check("spots", given(path)).shots == 1  # type: ignore[arg-type]
    assert classifier.enroll("spots", given(path), force=True).images == 1  # type: ignore[arg-type]
    assert classifier.refine(given(path)) == {}  # type: ignore[arg-type]
    with pytest.raises(GalleryError, match="1 image"):
        classifier.check_realign(given(path))  # type: ignore[arg-type]


SEVERAL: dict[str, Callable[[np.ndarray], object]] = {
    "an array [N,H,W,3]": lambda frames: frames,
    "a list of arrays": list,
    "a tuple": tuple,
    "a generator": iter,
    "an array [N,H,W]": lambda frames: frames[..., 0],
}


@pytest.mark.parametrize("kind", SEVERAL)
def test_several_are_as_many_decisions(classifier: Classifier, kind: str) -> None:
    frames = np.stack([draw(name, 7) for name in ("dots", "good", "stripes", "dots", "good")])
    decisions = classifier.predict(SEVERAL[kind](frames))  # type: ignore[arg-type]
    assert [decision.nearest for decision in decisions] == ["dots", "good", "stripes", "dots", "good"]


@pytest.mark.parametrize(
    ("shape", "number"), [((40, 3), None), ((5, 8, 9, 1), 5), ((8, 9, 1), None), ((8, 9, 4), None)]
)
def test_an_array_says_by_its_shape_how_many_frames_it_is(shape: tuple[int, ...], number: int | None) -> None:
    frames = list(frames_of(np.zeros(shape, np.uint8)))
    assert [frame.number for frame in frames] == ([None] if number is None else list(range(number)))


def test_arrays_of_paths_are_paths(classifier: Classifier, pictures: Pictures) -> None:
    paths = pictures("dots", 3)
    for given in (np.array(paths, dtype=object), np.array([str(path) for path in paths])):
        assert len(classifier.predict(given)) == 3


def test_nothing_is_no_decision_and_no_embedding(classifier: Classifier) -> None:
    assert classifier.predict([]) == []
    assert classifier.embed([]).shape == (0, classifier.embed([draw("dots", 1)]).shape[1])
    assert classifier.embed([], views=True).shape[0] == 0


def test_a_file_that_was_just_written_is_read_from_its_beginning(classifier: Classifier) -> None:
    buffer = io.BytesIO()
    Image.fromarray(draw("dots", 7)).save(buffer, "PNG")  # stands at its end now
    assert classifier.predict(buffer)[0].nearest == "dots"
    assert classifier.predict([buffer, buffer])[1].nearest == "dots"


JUNK: dict[str, tuple[object, str]] = {
    "None": (None, r"no image \(None.*cv2\.imread.*expected a path"),
    "a number": (5, r"no image \(int\); expected a path"),
    "None among images": ([draw("dots", 1), None], r"image 1: no image \(None"),
    "a dict among images": ([{}], r"image 0: no image \(dict\)"),
    "no image's bytes": (b"x", "not an image in a format"),
    "no bytes": (b"", "empty file"),
    "a missing file": ("gone.jpg", r"^gone\.jpg: no such file$"),
    "a missing file among images": ([draw("dots", 1), "gone.jpg"], r"^image 1 \(gone\.jpg\): no such file$"),
    "a file open as text": (io.StringIO("x"), "gives str, not bytes; expected a file open in binary mode"),
    "a text that numpy holds": (np.array("gone.jpg"), r"shape \(\)"),
    "an array [N,3,H,W]": (np.zeros((2, 3, 40, 50), np.uint8), r"image 0: .*\(3, 40, 50\)"),
    "an array of numbers": (np.zeros(7, np.uint8), r"shape \(7,\)"),
}


@pytest.mark.parametrize("kind", JUNK)
def test_what_is_no_image_is_named_in_one_line(classifier: Classifier, kind: str) -> None:
    given, message = JUNK[kind]
    for act in (classifier.predict, classifier.embed):
        with pytest.raises(ImageError, match=message) as caught:
            act(given)  # type: ignore[operator]
        assert "\n" not in str(caught.value)
    with pytest.raises(ImageError, match=r"nothing was enrolled$"):
        classifier.enroll("spots", given)  # type: ignore[arg-type]


def test_errors_that_are_yielded_name_their_image_and_keep_the_reason_apart(classifier: Classifier) -> None:
    answers = list(classifier.predict_each([draw("dots", 1), "gone.jpg", None, draw("good", 1)]))  # type: ignore[list-item]
    assert [type(answer).__name__ for answer in answers] == ["Decision", "ImageError", "ImageError", "Decision"]
    error = answers[1]
    assert isinstance(error, ImageError)
    assert (error.image, error.reason) == ("image 1 (gone.jpg)", "no such file")


def test_a_generator_is_asked_for_one_frame_at_a_time(classifier: Classifier) -> None:
    taken = []

    def camera() -> Iterator[np.ndarray]:
        for number in range(5):
            taken.append(number)
            yield draw("dots", number)

    answers = classifier.predict_each(camera())
    next(answers)
    assert taken == [0]


def test_batches_change_no_bit_and_keep_the_order(classifier: Classifier) -> None:
    black = np.zeros((48, 48, 3), np.uint8)
    given = [draw("dots", 1), "gone.jpg", black, draw("good", 2), draw("stripes", 3), draw("dots", 4)]

    def answered(batch: int) -> list[object]:
        answers = classifier.predict_each(given, batch=batch)
        return [answer.score if isinstance(answer, Decision) else answer.image for answer in answers]

    assert answered(1)[1:3] == ["image 1 (gone.jpg)", None]
    for batch in (2, 3, 6, 99):
        assert answered(batch) == answered(1)


PART_IDS: dict[str, tuple[object, object]] = {
    "too few": ([draw("dots", 1)] * 3, ["a", "b"]),
    "too many": ([draw("dots", 1)], ["a", "b"]),
    "none": ([draw("dots", 1)], []),
    "for one frame": (draw("dots", 1), ["a", "b"]),
    "too few for a generator": (iter([draw("dots", 1)] * 3), ["a", "b"]),
    "too many for a generator": (iter([draw("dots", 1)]), ["a", "b"]),
}


@pytest.mark.parametrize("kind", PART_IDS)
def test_part_ids_are_one_for_each_image(classifier: Classifier, kind: str) -> None:
    images, part_ids = PART_IDS[kind]
    with pytest.raises(ValueError, match=r"part_ids.*expected one for each"):
        classifier.predict(images, part_ids=part_ids)  # type: ignore[arg-type]


def test_a_text_names_one_part(classifier: Classifier) -> None:
    assert classifier.predict(draw("dots", 1), part_ids="part 7")[0].part_id == "part 7"
    assert [answer.part_id for answer in classifier.predict(iter([draw("dots", 1)] * 2), iter("ab"))] == ["a", "b"]


def test_groups_are_one_for_each_image(classifier: Classifier) -> None:
    with pytest.raises(GalleryError, match="2 images of 'checks' and 3 groups; expected one for each"):
        classifier.enroll("checks", [draw("checks", 1), draw("checks", 2)], groups=["a", "b", "c"])
    assert classifier.check("checks", draw("checks", 1), groups="lot 7").parts == 1


def test_a_challenge_part_may_be_one_file_or_its_bytes(classifier: Classifier, pictures: Pictures) -> None:
    first, second = pictures("dots", 2)
    (added,) = classifier.challenge.add(first, "NG", classifier.judge)
    assert added.result.part.name == first.name
    (added,) = classifier.challenge.add(second.read_bytes(), "NG", classifier.judge)
    assert added.result.passes
    with pytest.raises(ImageError, match="image 1: only files are kept"):
        classifier.challenge.add([first, draw("dots", 3)], "NG", classifier.judge)
    with pytest.raises(ImageError, match=r"gone\.png: no such file; nothing was kept"):
        classifier.challenge.add("gone.png", "NG", classifier.judge)
