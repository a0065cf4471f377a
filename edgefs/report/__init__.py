"""The report of a run: one HTML file that needs no network, no script and no second file.

report = Report(title="parts", evaluation=evaluation, notes=("20 shots per class …",))
(run / "report.html").write_text(render_report(report), encoding="utf-8")
"""

from edgefs.evaluation.curve import CurvePoint
from edgefs.report.content import (
    Candidate,
    Distribution,
    Group,
    LeftOut,
    Mistake,
    Report,
    TrainingPoint,
    describe_mistakes,
)
from edgefs.report.html import report_html

__all__ = [
    "Candidate",
    "CurvePoint",
    "Distribution",
    "Group",
    "LeftOut",
    "Mistake",
    "Report",
    "TrainingPoint",
    "describe_mistakes",
    "report_html",
]
