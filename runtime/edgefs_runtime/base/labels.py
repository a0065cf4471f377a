"""What a class may be called, and when two spellings are one class.

A label comes from a folder's name, a cell of a table, a command line, a host or an old file. Wherever it comes from it
is brought to one spelling by `normal_label`:

- Unicode's composed form (NFC): a Mac writes an umlaut as two characters, other systems as one;
- without characters that nobody can see, as a byte order mark or a mark of direction pasted along;
- with single spaces between words, also for no-break and wide ones, and no white space at the ends.

What differs in case or in the width of its characters stays apart and is named (`twin_of`): `OK` and `ok` may be two
classes, though they rarely are. What stands in files of before keeps the spelling it has, and is found by any other
(`spelling_in`).
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Collection, Iterable

from edgefs_runtime.base.errors import GalleryError

MOST_CHARACTERS = 200

_NO_CLASS = "'unknown' is the answer for what no class fits; give the class another name"

# Unicode's Default_Ignorable_Code_Point: shown as nothing, so that two labels would look the same.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

_SPACES = re.compile(r"[^\S\t-\r\x1c-\x1f\x85\u2028\u2029]+")  # white space that breaks no line: that is refused inside


def normal_label(label: str) -> str:
    """The one spelling of a label: composed, without what can't be seen, single spaces inside and none at the ends."""
    seen = _UNSEEN.sub("", unicodedata.normalize("NFC", label)).strip()
    return unicodedata.normalize("NFC", _SPACES.sub(" ", seen))


def entered_label(label: str, known: Collection[str] = ()) -> str:
    """The class that somebody means: as the gallery spells it where it knows it, else in the one spelling.

    Args:
        label: as it was typed, read or handed over.
        known: classes that there are.

    Raises:
        GalleryError: it can't name a class.
    """
    meant = spelling_in(known, label)
    if meant not in known:
        check_label(meant)
        if twin_key(meant) == "unknown":
            raise GalleryError(_NO_CLASS)
    return meant


def spelling_in(known: Collection[str], label: str) -> str:
    """How one of `known` is spelled that `label` means; the normal spelling where none is meant."""
    normal = normal_label(label)
    for candidate in (label, normal):
        if candidate in known:
            return candidate
    return next((one for one in sorted(known) if normal_label(one) == normal), normal)


def class_names(labels: Iterable[str]) -> dict[str, str]:
    """The class that each label of a gallery belongs to.

    A label stands for itself, as it always did; but where a gallery of before, or one that was merged, holds a class
    twice, once with composed letters and once without, both are the composed one.
    """
    spelled: dict[str, set[str]] = {}
    for label in labels:
        spelled.setdefault(unicodedata.normalize("NFC", label), set()).add(label)
    return {
        label: composed if len(spellings) > 1 else label
        for composed, spellings in spelled.items()
        for label in spellings
    }


def labels_of(name: str, labels: Iterable[str]) -> set[str]:
    """Labels of a gallery that belong to the class that `name` means, in whatever spelling."""
    names = class_names(labels)
    wanted = spelling_in(set(names.values()), name)
    return {label for label, of in names.items() if of == wanted}


def twin_of(label: str, known: Collection[str]) -> str | None:
    """A class of `known` that `label` differs from in case or in the width of its characters only."""
    key = twin_key(label)
    return next((one for one in sorted(known) if one != label and twin_key(one) == key), None)


def difference_in_words(label: str, twin: str) -> str:
    """What sets a label apart from its twin, as a phrase that begins with "in"."""
    if normal_label(label) == normal_label(twin):
        return "in characters that look the same"
    return "in case" if label.lower() == twin.lower() else "in the form of their characters"


def check_label(label: str) -> None:
    """Refuse what can't name a class.

    Raises:
        GalleryError: empty, `unknown`, over 200 characters, no text, or with a line break or other control character.
    """
    if not label.strip():
        raise GalleryError("a class needs a name; the label is empty")
    if label.strip().lower() == "unknown":
        raise GalleryError(_NO_CLASS)
    if undecoded := not_text(label):
        raise GalleryError(f"the label {undecoded}: write it in UTF-8")
    if len(label) > MOST_CHARACTERS or not label.isprintable() or label != label.strip():
        raise GalleryError(
            f"the label {label[:40]!r} is not usable: at most {MOST_CHARACTERS} printable characters, "
            "no space at either end"
        )


def not_text(name: str) -> str:
    """Bytes of a name that came as no UTF-8, and how they may be meant; empty for any other name."""
    try:
        name.encode("utf-8")
        return ""
    except UnicodeEncodeError:
        pass
    try:
        raw = os.fsencode(name)
    except UnicodeEncodeError:  # half a character, from a program and not from a file system
        return f"{name!a} is not UTF-8"
    meant = guess_text(raw)
    return f"{raw!r} is not UTF-8" + (f" (it reads {meant[0]} as {meant[1]})" if meant else "")


def readable(name: str) -> str:
    """A name as it can be shown and written: with `?` for bytes that are no text, as file names may hold them."""
    return name.encode("utf-8", "replace").decode("utf-8")


_WITHIN_A_WORD = re.compile(rb"[A-Za-z][\xc0-\xff]{2}[a-z]")  # Größe, not one Chinese character amid a word


def guess_text(raw: bytes) -> tuple[str, str] | None:
    """What bytes that are no UTF-8 may say, and in which encoding; None where nothing readable comes out."""
    codecs = [("gb2312", "GBK"), ("cp1252", "Latin-1"), ("gbk", "GBK"), ("shift_jis", "Shift JIS")]
    if _WITHIN_A_WORD.search(raw):
        codecs = [codecs[1], codecs[0], *codecs[2:]]
    for codec, name in codecs:
        try:
            text = raw.decode(codec)
        except UnicodeDecodeError:
            continue
        if all(character.isascii() or character.isalpha() for character in text) and text.isprintable():
            return text, name
    return None


def twin_key(label: str) -> str:
    """Key that is equal for labels that differ in case or width only; not by `casefold`, for which Maße is Masse."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", normal_label(label)).lower())
