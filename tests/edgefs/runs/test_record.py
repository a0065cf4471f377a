"""The record of a RUN: read by attribute, whatever version wrote it, and written again as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from runs import rewrite_run, said_by

from edgefs.runs.identity import identity_of
from edgefs.runs.record import AdaptedRecord
from edgefs.runs.run import Run
from edgefs_runtime.base.errors import RunError

LATER = ("succeeds", "strangers", "no_decision", "fallback_head", "identity")  # the first version wrote none of them


def test_what_run_json_says_comes_back_as_it_was_written_with_fields_of_a_later_version(run: Path) -> None:
    fields = {**said_by(run), "operator": {"of": "a later version"}}
    record = AdaptedRecord.from_json(fields)
    assert json.loads(json.dumps(record.to_json())) == fields
    assert record.others == {"operator": {"of": "a later version"}}
    assert [image.label for image in record.images.train].count("good") == 5
    assert (record.shots, record.backbone.name, record.data.layout) == (5, "tiny", "flat")
    assert set(record.labels) == {"good", "stripes", "dots"}


def test_a_run_of_the_first_version_is_read_with_what_its_silence_meant(run: Path) -> None:
    fields = {key: value for key, value in said_by(run).items() if key not in LATER}
    rewrite_run(run, fields)
    record = Run.open(run).record
    assert (record.strangers, record.no_decision.test, record.succeeds) == ({}, (), "")
    assert record.decision.head == fields["head"]
    assert record.identity == identity_of(fields)  # of what is written, not of what is read into it


BAD = {
    "an image without its digest": ("images", {"train": [{"path": "a.png", "label": "good"}]}, "sha256"),
    "a list of classes": ("labels", ["good"], "wrong kind"),
    "a size of no network": ("preprocess", {"size": [0, 0]}, "preprocess"),
    "a budget above one": ("decision", {"budget": 2, "unknown": "NG"}, "decision.budget"),
    "a backbone by name alone": ("backbone", {"name": "tiny"}, "wrong kind"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_record_that_says_something_impossible_is_refused_in_one_line(run: Path, fault: str) -> None:
    key, value, told = BAD[fault]
    rewrite_run(run, {**said_by(run), key: value})
    with pytest.raises(RunError, match=told) as caught:
        Run.open(run)
    assert str(caught.value).startswith(f"{run}: run.json")
    assert "\n" not in str(caught.value)
