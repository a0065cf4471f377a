"""The report as a browser and a customer meet it: whole, harmless, and silent about what must stay in the house."""

from __future__ import annotations

import dataclasses
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgefs.evaluation import Evaluation, headline
from edgefs.report import (
    Candidate,
    CurvePoint,
    Distribution,
    Group,
    LeftOut,
    Mistake,
    Report,
    describe_mistakes,
    report_html,
)
from edgefs_runtime.decision.decision import Decision, Disposition
from edgefs_runtime.images.preprocess import Preprocess
from edgefs_runtime.images.thumbnails import thumbnail

HOSTILE = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>"
VOID = {"meta", "img", "wbr"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def decide(label: str | None, nearest: str, probability: float = 0.9) -> Decision:
    verdict = "OK" if label == "good" else "NG"
    return Decision(
        verdict, label, nearest, None, 1.0, probability, 0.02, 0.98, "conformal", 0.1, (), (), "", None, "0" * 64, 0, ""
    )


def evaluate(defect: str = "scratch", stranger: str = "oil") -> Evaluation:
    known: dict[str, Disposition] = {"good": "ok", defect: "defect"}
    truths = ["good", "good", defect, defect, stranger]
    decisions = [
        decide("good", "good"),
        decide(None, "good"),
        decide(defect, defect),
        decide("good", "good"),
        decide(None, "good"),
    ]
    return Evaluation.of(truths, decisions, known)


def full_report(text: str = "plain") -> Report:
    return Report(
        title=text,
        notes=(text,),
        settings=((text, text), ("data", "/home/jo/secret/parts"), ("weights", "C:\\Users\\jo\\net.pth")),
        evaluation=evaluate(text, f"{text} stranger"),
        evaluated_on=text,
        mistakes=(Mistake("scratch/7.png", text, text, False, 0.97, 0.5, b"\xff\xd8jpeg"),),
        left_out=(LeftOut("scratch/broken.png", text),),
        data_notes=("good/1.png and good/2.png look alike",),
        learning_curve=(CurvePoint(1, 0.7, 0.6, 0.8), CurvePoint(5, 0.9, 0.85, 0.95)),
        candidates=(Candidate(text, 0.9, 0.02), Candidate("other", 0.95, 0.01, chosen=True)),
        distribution=Distribution(text, (Group(text, (0.1, 0.6)), Group("unknown", (0.01,))), threshold=0.05),
        timings=((text, 12.5),),
        created="2026-11-24",
        version="0.1.0",
    )


@pytest.mark.parametrize("wrong", [2, 0])
def test_of_very_many_classes_confusions_are_listed_and_no_matrix_drawn(wrong: int) -> None:
    labels = [f"class {number:03}" for number in range(120)]
    answers = ["class 007"] * wrong + labels[wrong:]
    decisions = [decide(label, label) for label in answers]
    known: dict[str, Disposition] = dict.fromkeys(labels, "defect")
    page = Page(report_html(Report(title="many", evaluation=Evaluation.of(labels, decisions, known))))
    assert ("class", "heat dense") not in page.attributes
    assert ("The 2 commonest confusions of 120 classes." in page.text) == bool(wrong)
    assert ("No image was taken for one of another class." in page.text) != bool(wrong)
    assert "The 50 of 120 classes with the lowest F1." in page.text
    assert page.text.index("class 119") > page.text.index("All 120 classes") > page.text.index("class 001")


def test_hostile_texts_are_shown_and_never_run() -> None:
    page = Page(report_html(full_report(HOSTILE)))
    assert "script" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert HOSTILE in page.text


def test_the_page_loads_nothing() -> None:
    html = report_html(full_report())
    page = Page(html)
    sources = [value for name, value in page.attributes if name in {"src", "href", "srcset", "action"}]
    assert all(value and value.startswith("data:image/jpeg;base64,") for value in sources)
    assert not {"script", "link", "iframe", "object", "base", "form"} & set(page.tags)
    assert "url(" not in html
    assert "@import" not in html
    assert "http" not in html.replace("http-equiv", "")


def test_overkill_and_escapes_stand_before_everything_measured() -> None:
    text = Page(report_html(full_report())).text
    body = text[text.index("Measured on") :]
    assert body.index("Overkill") < body.index("Escapes") < body.index("Nearest right") < body.index("Class by class")
    assert "1 of 2 good parts judged NG" in body
    assert "1 of 3 defective parts judged OK" in body


def test_the_summary_is_the_headline_unless_one_is_given() -> None:
    report = full_report()
    assert report.evaluation is not None
    assert headline(report.evaluation) in Page(report_html(report)).text
    assert "All is well." in Page(report_html(dataclasses.replace(report, summary="All is well."))).text


def test_absolute_paths_are_cut_to_their_last_part() -> None:
    note = "read /home/jo/secret/parts and \\\\server\\share\\list.csv, 1/2 of precision / recall"
    html = report_html(dataclasses.replace(full_report(), notes=(note,)))
    assert "read parts and list.csv, 1/2 of precision / recall" in html
    assert "net.pth" in html
    for place in ("/home", "secret", "Users", "server"):
        assert place not in html


@pytest.mark.parametrize("name", ["/data/scratch/1.png", "C:\\data\\1.png", "../other/1.png"])
def test_a_file_outside_the_data_folder_is_a_programming_error(name: str) -> None:
    with pytest.raises(ValueError, match="relative to the data folder"):
        LeftOut(name, "damaged")
    with pytest.raises(ValueError, match="relative to the data folder"):
        Mistake(name, "good", "scratch", False, 0.9, 0.5)


def test_a_p_value_reads_as_predict_prints_it() -> None:
    mistake = Mistake("scratch/7.png", "scratch", "good", False, 0.97, 0.065, b"\xff\xd8jpeg")
    assert "p&nbsp;0.065<" in report_html(dataclasses.replace(full_report(), mistakes=(mistake,)))


def test_the_anonymous_report_tells_no_date_no_time_no_file_and_shows_no_image() -> None:
    html = report_html(dataclasses.replace(full_report(), anonymous=True))
    assert "img" not in Page(html).tags
    for secret in ("2026-11-24", "12.5 s", "7.png", "broken.png", "good/1.png", "parts</td>", "net.pth"):
        assert secret not in html
    assert "1 × plain" in html  # how many files were left out, and why


def test_the_anonymous_report_is_the_same_bytes_whenever_and_wherever_it_is_made() -> None:
    first = dataclasses.replace(full_report(), anonymous=True)
    second = dataclasses.replace(first, created="another day", timings=(("plain", 99.0),), mistakes=())
    assert report_html(first) == report_html(second)


def test_an_almost_empty_report_is_still_a_page() -> None:
    page = Page(report_html(Report(title="nothing yet", notes=("No independent test set.",))))
    assert "No independent test set." in page.text
    assert "svg" not in page.tags


def test_thirty_classes_and_an_unknown_one_fill_the_matrix() -> None:
    labels = [f"class-{number:02d}" for number in range(30)]
    known: dict[str, Disposition] = dict.fromkeys(labels, "defect")
    evaluation = Evaluation.of([*labels, "oil"], [decide(label, label) for label in [*labels, "class-00"]], known)
    html = report_html(Report(title="many", evaluation=evaluation))
    assert html.count('scope="row"') == 31
    assert "none possible" in html  # nothing is judged OK, so no escape rate is shown


def test_a_long_list_of_left_out_files_is_cut_and_counted() -> None:
    left_out = tuple(LeftOut(f"good/{number}.png", "empty file (0 bytes)") for number in range(350))
    html = report_html(Report(title="many", left_out=left_out))
    assert "350 × empty file (0 bytes)" in html
    assert "good/199.png" in html
    assert "good/200.png" not in html
    assert "150 more" in html


@pytest.mark.parametrize(
    "distribution",
    [
        Distribution("p", (Group("none", ()),), threshold=0.05),
        Distribution("score", (Group("same", (3.0, 3.0)),)),
        Distribution("score", (Group("wide", (-2.0, 40.0)), Group("one", (1.0,))), threshold=5.0),
    ],
)
def test_odd_distributions_are_drawn(distribution: Distribution) -> None:
    assert "svg" in Page(report_html(Report(title="odd", distribution=distribution))).tags


@pytest.mark.parametrize("points", [[(5, 1.0, 1.0, 1.0)], [(1, 0.0, 0.0, 0.1), (2, 0.1, 0.0, 0.3)]])
def test_odd_learning_curves_are_drawn(points: list[tuple[int, float, float, float]]) -> None:
    html = report_html(Report(title="odd", learning_curve=tuple(CurvePoint(*point) for point in points)))
    assert "nan" not in html
    assert "images per class" in html


def test_mistakes_are_described_with_relative_names_and_pictures(tmp_path: Path) -> None:
    (tmp_path / "划痕").mkdir()
    paths = [tmp_path / "划痕" / f"{number}.png" for number in range(5)]
    for path in paths[:4]:
        Image.fromarray(np.full((30, 40), 99, np.uint8)).save(path)
    paths[3].write_bytes(b"no image any more")
    truths = ["good", "good", "scratch", "scratch", "oil"]
    decisions = [
        decide("good", "good"),
        decide(None, "good"),
        decide("scratch", "scratch"),
        decide("good", "good"),
        decide("good", "good"),
    ]
    evaluation = Evaluation.of(truths, decisions, {"good": "ok", "scratch": "defect"})
    mistakes = describe_mistakes(evaluation, truths, decisions, paths, tmp_path, Preprocess((8, 8)), limit=3)
    assert [mistake.name for mistake in mistakes] == ["划痕/3.png", "划痕/4.png", "划痕/1.png"]
    assert [bool(mistake.jpeg) for mistake in mistakes] == [False, False, True]
    assert "no picture" in report_html(Report(title="parts", mistakes=mistakes))


def test_a_thumbnail_is_small_upright_and_free_of_metadata(tmp_path: Path) -> None:
    path = tmp_path / "camera.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010F] = "ACME line 7"
    Image.new("RGB", (400, 200), (200, 30, 30)).save(path, exif=exif, comment=b"customer 42")
    data = thumbnail(path, longer=160)
    with Image.open(io.BytesIO(data)) as small:
        assert small.size == (80, 160)
        assert not small.getexif()
    assert b"ACME" not in data
    assert b"customer" not in data


def test_a_thumbnail_of_sixteen_bits_shows_what_is_in_it() -> None:
    frame = np.full((64, 64), 1000, np.uint16)
    frame[20:40, 20:40] = 1200  # a fortieth of a per cent of the range would be black in a plain conversion
    with Image.open(io.BytesIO(thumbnail(frame, longer=160))) as small:
        pixels = np.asarray(small)
    assert int(pixels.max()) - int(pixels.min()) > 200
