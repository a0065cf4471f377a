"""An evaluation as plain text for a terminal, readable without colour and with Chinese labels."""

from __future__ import annotations

from collections.abc import Sequence

from edgefs.evaluation.columns import in_columns
from edgefs.evaluation.metrics import Evaluation
from edgefs.evaluation.scores import ClassFigures, worst_classes
from edgefs_calibration.statistics.rates import Rate, Rates, percent

_WIDEST_MATRIX = 16  # classes; beyond, a terminal of 120 columns wraps and the commonest confusions say more
_LONGEST_LABEL = 28  # terminal columns
_CONFUSIONS = 15
_LONGEST_LIST = 60  # classes; of more nobody reads a terminal's lines, and the worst are listed alone
_WORST = 30


def headline(evaluation: Evaluation) -> str:
    """Overkill, escapes and accuracy in one sentence."""
    rates = evaluation.rates
    parts = []
    if rates.overkill.trials:
        parts.append(f"overkill {_brief(rates.overkill)}")
    if rates.escapes.trials and evaluation.can_pass:
        parts.append(f"escapes {_brief(rates.escapes)}")
    if rates.caught.trials:
        parts.append(f"unknown classes caught {_brief(rates.caught)}")
    if evaluation.nearest.accuracy.trials:
        parts.append(f"nearest class right {_brief(evaluation.nearest.accuracy)}")
    sentence = ", ".join(parts) or "no image to measure on"
    return f"{sentence[0].upper()}{sentence[1:]}."


def evaluation_text(evaluation: Evaluation, *, medical: bool = False) -> str:
    """A compact table: overkill and escapes first, or sensitivity and specificity; scores, classes, confusions."""
    rates = _rates(evaluation, medical)
    blocks = [rates, _scores(evaluation), _classes(evaluation.classes), _confusion(evaluation)]
    return "\n\n".join(block for block in blocks if block)


def _rates(evaluation: Evaluation, medical: bool) -> str:
    rates = evaluation.rates
    nothing_passes = "" if evaluation.can_pass else " (the model has no class of good parts: nothing is judged OK)"
    rows = [*_errors(rates, "images" if evaluation.part_rates else "parts", nothing_passes, medical)]
    if evaluation.part_rates:
        what = "patients" if medical else "parts"
        rows += _errors(evaluation.part_rates, what, nothing_passes, medical, _no_good_part(evaluation, medical))
    rows.append(("refused", rates.refused, "images of known classes refused as unknown"))
    if rates.caught.trials:
        rows.append(("caught", rates.caught, "images of classes nobody taught refused as unknown"))
    if rates.recheck.events:
        rows.append(("recheck", rates.recheck, "images sent to be looked at again"))
    if rates.unjudged.events:
        rows.append(("no decision", rates.unjudged, "images that could not be judged"))
    return in_columns([[name, str(rate), meaning] for name, rate, meaning in rows], "lll")


def _no_good_part(evaluation: Evaluation, medical: bool) -> str:
    """Why no part is good though images are: a part is as bad as its worst image."""
    parts = evaluation.part_rates
    if parts is None or parts.overkill.trials or not evaluation.rates.overkill.trials:
        return ""
    return (
        f" (every one with {'healthy' if medical else 'good'} images has {'diseased' if medical else 'defective'} ones)"
    )


def _errors(rates: Rates, what: str, remark: str, medical: bool, no_good: str = "") -> list[tuple[str, Rate, str]]:
    """The two errors a line or a clinic lives by, of images or of parts."""
    if medical:
        return [
            ("sensitivity", rates.sensitivity, f"diseased {what} not judged OK" + remark),
            ("specificity", rates.specificity, f"healthy {what} not judged NG" + no_good),
        ]
    return [
        ("overkill", rates.overkill, f"good {what} judged NG" + no_good),
        ("escapes", rates.escapes, f"defective {what} judged OK" + remark),
    ]


def _scores(evaluation: Evaluation) -> str:
    columns = (evaluation.nearest, evaluation.with_rejection)
    rows = [
        ["", "nearest class", "with rejection"],
        ["accuracy", *(str(scores.accuracy) for scores in columns)],
        ["balanced accuracy", *(_share(scores.balanced_accuracy) for scores in columns)],
        ["macro-F1", *(_share(scores.macro_f1) for scores in columns)],
        ["calibration error", _share(evaluation.calibration_error), ""],
    ]
    if evaluation.unknown_auroc is not None:
        rows.append(["unknown AUROC", _share(evaluation.unknown_auroc), ""])
    return in_columns(rows, "lll")


def _classes(classes: Sequence[ClassFigures]) -> str:
    if len(classes) > _LONGEST_LIST:
        said = f"The {_WORST} of {len(classes):,} classes with the lowest F1; --json tells of all."
        return f"{said}\n{_table_of(worst_classes(classes, _WORST))}"
    return _table_of(classes)


def _table_of(classes: Sequence[ClassFigures]) -> str:
    rows = [["class", "", "images", "recall", "precision", "F1", "refused"]]
    rows += [
        [
            figures.label,
            figures.disposition if figures.known else f"{figures.disposition}, not taught",
            str(figures.count),
            _value(figures.recall),
            _value(figures.precision),
            _share(figures.f1),
            _value(figures.refused),
        ]
        for figures in classes
    ]
    return in_columns(rows, "llrrrrr", _LONGEST_LABEL)


def _confusion(evaluation: Evaluation) -> str:
    confusion = evaluation.confusion
    if len(confusion.labels) > _WIDEST_MATRIX:
        rows = [[truth, f"taken for {label}", str(count)] for truth, label, count in confusion.worst_pairs(_CONFUSIONS)]
        return in_columns([["commonest confusions", "", "images"], *rows], "llr", _LONGEST_LABEL) if rows else ""
    names = {label: str(number) for number, label in enumerate(confusion.labels, start=1)}
    rows = [["true \\ answered", *names.values(), "unknown", "no decision"]]
    rows += [
        [f"{names[row]} {row}" if row in names else row, *(str(count) if count else "." for count in counts)]
        for row, counts in zip(confusion.rows, confusion.counts, strict=True)
    ]
    return in_columns(rows, "l" + "r" * (len(names) + 2), _LONGEST_LABEL)


def _brief(rate: Rate) -> str:
    return f"{percent(rate.value)} ({rate.events} of {rate.trials})"


def _share(value: float | None) -> str:
    return "-" if value is None else percent(value)


def _value(rate: Rate) -> str:
    return percent(rate.value) if rate.trials else "-"
