"""A `Report` becomes one HTML file: every text is escaped, nothing is loaded from anywhere."""

from __future__ import annotations

import base64
import dataclasses
import re
from pathlib import PureWindowsPath
from typing import Any

from edgefs.evaluation import Evaluation, headline
from edgefs.evaluation.confusion import Confusion
from edgefs.evaluation.scores import ClassFigures, worst_classes
from edgefs.report.charts import WIDTH, course, curve, histograms
from edgefs.report.content import Report, is_absolute
from edgefs_calibration.statistics.rates import Rate, percent
from edgefs_runtime.base.errors import MissingExtraError
from edgefs_runtime.base.labels import readable

_LONG_LIST = 10  # files; from here on the reasons are counted first
_LONGEST_LIST = 200  # files; a list nobody reads to its end only makes the file heavy
_WIDEST_MATRIX = 100  # classes; beyond, no eye finds anything in it, and it grows with their square
_CONFUSIONS = 50  # pairs of classes, listed in its place
_WORST_CLASSES = 50  # listed before all others of as many classes, which are folded away
_FAINT = (0.18, 0.45)  # opacity of a cell with none to half of its row; never 0, so that one escape is seen
_STRONG = (0.82, 0.95)  # and with half to all of it; between the two neither dark nor light text can be read
_ABSOLUTE = re.compile(r"(?<![\w.\\/])(?:[A-Za-z]:[\\/]|\\\\|/(?=[^\s/]+/))[^\s\"'<>|:*?,;)]+")


def report_html(report: Report) -> str:
    """A single HTML page with its style and pictures inside; the same report gives the same text.

    File names may hold bytes that are no text: a page shows `?` for them.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError('the report needs the workstation extra: pip install "edgefs[workstation]"') from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("edgefs.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=_percent,
        share=_share,
        interval=_interval,
        local=_without_folders,
        pieces=_pieces,
        base64=lambda data: base64.b64encode(data).decode("ascii"),
    )
    return readable(environment.get_template("report.html.j2").render(_context(report)))


def _context(report: Report) -> dict[str, Any]:
    shown = report.public() if report.anonymous else report
    evaluation = shown.evaluation
    return {
        "report": dataclasses.replace(shown, left_out=shown.left_out[:_LONGEST_LIST]),
        "left_out": report.left_out,
        "reasons": report.left_out_reasons() if len(report.left_out) > _LONG_LIST or shown.anonymous else (),
        "left_out_more": max(0, len(shown.left_out) - _LONGEST_LIST),
        "summary": shown.summary or (headline(evaluation) if evaluation else ""),
        "evaluation": evaluation,
        "heat": evaluation and _heat_rows(evaluation.confusion),
        "worst": evaluation.confusion.worst_pairs(_CONFUSIONS) if evaluation and _is_wide(evaluation.confusion) else (),
        "worst_classes": _worst_classes(evaluation),
        "curve": curve(shown.learning_curve) if shown.learning_curve else None,
        "course": course(shown.training) if len(shown.training) > 1 else None,
        "histograms": histograms(shown.distribution) if shown.distribution else None,
        "chart_width": WIDTH,
    }


@dataclasses.dataclass(frozen=True)
class _Cell:
    """One cell of the confusion matrix: its count, its share of the row, and how strongly it is coloured."""

    count: int
    share: float
    opacity: float
    strong: bool


def _is_wide(confusion: Confusion) -> bool:
    return len(confusion.labels) > _WIDEST_MATRIX


def _worst_classes(evaluation: Evaluation | None) -> list[ClassFigures]:
    """The classes to look at first; none where all can be looked at."""
    if evaluation is None or len(evaluation.classes) <= _WIDEST_MATRIX:
        return []
    return worst_classes(evaluation.classes, _WORST_CLASSES)


def _heat_rows(confusion: Confusion) -> list[list[_Cell]]:
    """The matrix row by row; nothing where it is too wide to be shown."""
    if _is_wide(confusion):
        return []
    return [[_cell(count, sum(row)) for count in row] for row in confusion.counts]


def _cell(count: int, total: int) -> _Cell:
    share = count / total if total else 0.0
    strong = share >= 0.5
    low, high = _STRONG if strong else _FAINT
    return _Cell(count, share, round(low + (high - low) * 2 * (share - 0.5 * strong), 2), strong)


def _percent(share: float) -> str:
    return percent(share, "\u00a0%")  # the sign never stands alone on a line


def _share(value: float | Rate | None, missing: str = "–") -> str:
    """A share or a rate as per cent; what was not measured is a dash."""
    if isinstance(value, Rate):
        return _percent(value.value) if value.trials else missing
    return missing if value is None else _percent(value)


def _interval(rate: Rate) -> str:
    low, high = rate.interval
    return f"{percent(low, '')} to {_percent(high)}" if rate.trials else ""


def _without_folders(text: str) -> str:
    """Cut absolute paths in a text down to their last part."""
    if is_absolute(text):
        return _last_part(text)
    return _ABSOLUTE.sub(lambda match: _last_part(match.group()), text)


def _pieces(path: str) -> list[str]:
    """A path in the pieces between which a line may break."""
    return re.split(r"(?<=[/_-])", path)


def _last_part(path: str) -> str:
    return PureWindowsPath(path).name  # splits at both kinds of slash
