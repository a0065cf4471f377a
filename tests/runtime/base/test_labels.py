"""A label has one spelling, whoever wrote it, and what only looks the same is named."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.labels import (
    check_label,
    class_names,
    difference_in_words,
    entered_label,
    labels_of,
    normal_label,
    not_text,
    readable,
    twin_of,
)

pytestmark = pytest.mark.device

LABEL = "Kratzer ä"
SPELLINGS = {
    "as it is": LABEL,
    "by a Mac": unicodedata.normalize("NFD", LABEL),
    "spaces around": f"  {LABEL}\t\n",
    "no-break space": LABEL.replace(" ", "\u00a0"),
    "wide space": LABEL.replace(" ", "\u3000"),
    "two spaces": LABEL.replace(" ", "  "),
    "byte order mark": f"\ufeff{LABEL}",
    "zero-width space": "Krat\u200bzer ä",
    "soft hyphen": LABEL.replace("tz", "t\u00adz"),
    "mark of direction": f"\u200e{LABEL}\u202c",
    "word joiner before a combining mark": "Kratzer a\u2060\u0308",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_one_label(spelling: str) -> None:
    assert normal_label(SPELLINGS[spelling]) == LABEL
    assert entered_label(SPELLINGS[spelling], ("good", LABEL)) == LABEL


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_the_normal_spelling_is_reached_in_one_step_from_every_composition(text: str) -> None:
    normal = normal_label(text)
    assert normal_label(normal) == normal
    assert normal_label(unicodedata.normalize("NFD", text)) == normal
    assert normal_label(f"\ufeff \u00a0{text}\u200b ") == normal
    assert unicodedata.is_normalized("NFC", normal)


@pytest.mark.parametrize("label", ["Ø", "ﬁne", "²", "①", "ＡＢ", "划痕", "щель", "K"])
def test_characters_are_composed_and_never_replaced_by_similar_ones(label: str) -> None:
    assert normal_label(label) == unicodedata.normalize("NFC", label)


@pytest.mark.parametrize(
    "label", ["", " \u200b\u00a0", "Unknown ", "ＵＮＫＮＯＷＮ", "a\nb", "a\tb", "a\x00b", "\ue000", "x" * 201]
)
def test_what_can_name_no_class_is_refused_in_one_line(label: str) -> None:
    with pytest.raises(GalleryError) as refused:
        entered_label(label, ("good",))
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 200


def test_a_gallery_keeps_its_own_spelling_and_is_found_by_others() -> None:
    old = unicodedata.normalize("NFD", "Riß ä")
    assert entered_label("Riß ä", ("good", old)) == old
    assert entered_label(f" {old}", ("good", old)) == old
    assert entered_label(" new  class ", ("good", old)) == "new class"


def test_a_class_in_two_compositions_is_one_and_all_others_stay() -> None:
    composed, apart = "ä", "a\u0308"
    assert class_names([composed, apart, "A", "a", "o\u0308"]) == {
        composed: composed,
        apart: composed,
        "A": "A",
        "a": "a",
        "o\u0308": "o\u0308",
    }
    assert labels_of("ä", [composed, apart, "a"]) == labels_of("a\u0308 ", [composed, apart, "a"]) == {composed, apart}
    assert labels_of("b", [composed, apart]) == set()


@pytest.mark.parametrize(
    ("label", "known", "twin", "how"),
    [
        ("Scratch", ("good", "scratch"), "scratch", "in case"),
        ("ＯＫ", ("OK",), "OK", "in the form of their characters"),
        ("ﬁne", ("fine",), "fine", "in the form of their characters"),
        ("Maße", ("Masse",), None, ""),
        ("scratch", ("scratch", "scratches"), None, ""),
    ],
)
def test_labels_that_differ_in_case_or_width_are_twins(label, known, twin, how) -> None:
    assert twin_of(label, known) == twin
    assert twin is None or difference_in_words(label, twin) == how


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("划痕".encode("gbk"), r"b'\xbb\xae\xba\xdb' is not UTF-8 (it reads 划痕 as GBK)"),
        ("Kratzer-ä".encode("latin-1"), r"b'Kratzer-\xe4' is not UTF-8 (it reads Kratzer-ä as Latin-1)"),
        (b"\xff\x81", r"b'\xff\x81' is not UTF-8"),
    ],
)
def test_bytes_that_are_no_text_are_shown_with_what_they_may_mean(raw: bytes, said: str) -> None:
    name = raw.decode("utf-8", "surrogateescape")
    assert not_text(name) == said
    assert readable(name).encode("utf-8")
    with pytest.raises(GalleryError, match="write it in UTF-8"):
        check_label(name)


def test_text_is_text() -> None:
    assert not_text("划痕") == ""
    assert not_text("half a character: \ud800") != ""
