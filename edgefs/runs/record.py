"""What `run.json` says, as a record that is read by attribute.

- `RunRecord`: what every RUN says of itself.
- `AdaptedRecord`: the record of a RUN that `adapt` made.
- `DistilledRecord`: the record of a RUN that `distill` made.

A field that this edgefs does not know is kept in `others` and written again. A field that a first version did not write
yet has a default that means what its absence meant.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from edgefs.runs.identity import identity_of
from edgefs.runs.parts import BackboneRecord, DataRecord, LeftOutRecord, SidesRecord, TeacherRecord
from edgefs_runtime.base.errors import EdgefsError, RunError
from edgefs_runtime.bundle.manifest import gallery_head, is_trained
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.images.preprocess import Preprocess

RUN = "run.json"
RUN_FORMAT = "1.1"
DISTILLED = "distill"  # the method of a RUN that `distill` made


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What every RUN says of itself.

    Attributes:
        name: of the model, for people.
        method: the one that made the RUN.
        backbone: the network that was adapted, or that came out of a distillation.
        data: what was learned from.
        notes: what was done, in sentences.
        settings: all that was asked for, as plain JSON values.
        seed: picked whatever was random.
        versions: of the software that figures depend on, by package.
        files: hex SHA-256 of every other file of the folder, by name; empty before it is written.
        format_version: of the RUN's format.
        others: fields that this edgefs does not know.
    """

    name: str
    method: str
    backbone: BackboneRecord
    data: DataRecord
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    format_version: str = RUN_FORMAT
    others: Mapping[str, Any] = field(default_factory=dict)

    _NEEDED: ClassVar[frozenset[str]] = frozenset(("name", "method", "backbone", "data"))
    _WRITTEN_BY: ClassVar[str] = "adapt"

    @classmethod
    def check_fields(cls, fields: Mapping[str, Any]) -> None:
        """Refuse what lacks a field that the first version wrote already.

        Raises:
            RunError: it lacks one.
        """
        if missing := sorted(cls._NEEDED - fields.keys()):
            raise RunError(f"{RUN} has no {', '.join(missing)}; run `edgefs {cls._WRITTEN_BY}` again")

    def to_json(self) -> dict[str, Any]:
        """The content of `run.json`, as plain JSON values."""
        return {
            **self.others,
            "name": self.name,
            "method": self.method,
            "backbone": self.backbone.to_json(),
            "data": self.data.to_json(),
            "notes": list(self.notes),
            "settings": dict(self.settings),
            "seed": self.seed,
            "versions": dict(self.versions),
            "files": dict(self.files),
            "format_version": self.format_version,
        }


@dataclass(frozen=True, kw_only=True)
class AdaptedRecord(RunRecord):
    """The record of a RUN that `adapt` made.

    Attributes:
        plan: which stages are embedded, as `EmbeddingPlan.to_json` gives it.
        preprocess: from file to network input, in the views that the gallery holds.
        decision: the gallery's head, budget, verdict for unknowns and correction.
        trained_head: entry of a head that was trained on the support; None where the gallery's decides.
        labels: classes that were learned, with their dispositions.
        strangers: classes that only test, with theirs.
        images: that were learned from, that choices were made on, and that tested.
        no_decision: images that show nothing, on the side where they would have stood.
        left_out: files that were not used.
        identity: hex SHA-256, which model it is; empty before it is written.
        succeeds: identity of the model whose successor it is; empty where it is none.
    """

    plan: Mapping[str, Any]
    preprocess: Preprocess
    decision: DecisionSettings
    trained_head: Mapping[str, Any] | None
    labels: Mapping[str, Disposition]
    strangers: Mapping[str, Disposition] = field(default_factory=dict)
    images: SidesRecord
    no_decision: SidesRecord = field(default_factory=SidesRecord)
    left_out: tuple[LeftOutRecord, ...] = ()
    identity: str = ""
    succeeds: str = ""

    _NEEDED: ClassVar[frozenset[str]] = frozenset(
        (*RunRecord._NEEDED, "plan", "preprocess", "head", "decision", "labels", "images", "files")
    )

    @property
    def head(self) -> Mapping[str, Any]:
        """The entry of the head that decides."""
        return self.decision.head if self.trained_head is None else self.trained_head

    @property
    def shots(self) -> int | None:
        """Images of each class that were learned from; None where all were."""
        found: int | None = self.settings["shots"]
        return found

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> AdaptedRecord:
        """Read what `to_json` wrote, of this version or an earlier one.

        Raises:
            RunError: a field is missing or of the wrong kind.
        """
        cls.check_fields(fields)
        try:
            return cls(
                **_of_every_run(fields, cls),
                plan=fields["plan"],
                preprocess=Preprocess.from_json(fields["preprocess"]),
                decision=DecisionSettings.from_json(gallery_head(fields), fields["decision"]),
                trained_head=fields["head"] if is_trained(fields["head"]) else None,
                labels=_dispositions(fields["labels"]),
                strangers=_dispositions(fields.get("strangers", ())),
                images=SidesRecord.from_json(fields["images"]),
                no_decision=SidesRecord.from_json(fields.get("no_decision", {})),
                left_out=tuple(LeftOutRecord.from_json(entry) for entry in fields.get("left_out", ())),
                identity=identity_of(fields),
                succeeds=fields.get("succeeds", ""),
            )
        except (KeyError, TypeError, ValueError, AttributeError, EdgefsError) as error:
            raise RunError(f"{RUN}: a field is missing or of the wrong kind ({error})") from error

    def to_json(self) -> dict[str, Any]:
        """The content of `run.json`, as plain JSON values."""
        optional = {"identity": self.identity, "succeeds": self.succeeds}
        return {
            **super().to_json(),
            "plan": dict(self.plan),
            "preprocess": self.preprocess.to_json(),
            "head": dict(self.head),
            "fallback_head": dict(self.decision.head),
            "decision": self.decision.to_json(),
            "labels": _entries(self.labels),
            "strangers": _entries(self.strangers),
            "images": self.images.to_json(),
            "no_decision": self.no_decision.to_json(),
            "left_out": [dataclasses.asdict(item) for item in self.left_out],
            **{name: value for name, value in optional.items() if value},
        }

    def written(self, files: Mapping[str, str]) -> AdaptedRecord:
        """The record of the RUN as it stands in its folder, with the digests of its files and its identity."""
        whole = dataclasses.replace(self, files=files)
        return dataclasses.replace(whole, identity=identity_of(whole.to_json()))


@dataclass(frozen=True, kw_only=True)
class DistilledRecord(RunRecord):
    """The record of a RUN that `distill` made.

    Attributes:
        teacher: whose embedding was learned.
    """

    teacher: TeacherRecord

    _NEEDED: ClassVar[frozenset[str]] = frozenset((*RunRecord._NEEDED, "teacher"))
    _WRITTEN_BY: ClassVar[str] = "distill"

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> DistilledRecord:
        """Read what `to_json` wrote, of this version or an earlier one.

        Raises:
            RunError: a field is missing or of the wrong kind.
        """
        cls.check_fields(fields)
        try:
            return cls(**_of_every_run(fields, cls), teacher=TeacherRecord.from_json(fields["teacher"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(f"{RUN}: a field is missing or of the wrong kind ({error})") from error

    def to_json(self) -> dict[str, Any]:
        """The content of `run.json`, as plain JSON values."""
        return {**super().to_json(), "teacher": dataclasses.asdict(self.teacher)}

    def written(self, files: Mapping[str, str]) -> DistilledRecord:
        """The record of the RUN as it stands in its folder, with the digests of its files."""
        return dataclasses.replace(self, files=files)


def _of_every_run(fields: Mapping[str, Any], kind: type[RunRecord]) -> dict[str, Any]:
    """What `RunRecord` takes, of the content of `run.json`."""
    known = {one.name for one in dataclasses.fields(kind)} | {"head", "fallback_head"}
    return {
        "name": str(fields["name"]),
        "method": fields["method"],
        "backbone": BackboneRecord.from_json(fields["backbone"]),
        "data": DataRecord.from_json(fields["data"]),
        "notes": tuple(fields.get("notes", ())),
        "others": {key: value for key, value in fields.items() if key not in known},
        **{key: fields[key] for key in ("settings", "seed", "versions", "files", "format_version") if key in fields},
    }


def _dispositions(entries: Sequence[Mapping[str, Any]]) -> dict[str, Disposition]:
    return {entry["label"]: entry["disposition"] for entry in entries}


def _entries(dispositions: Mapping[str, Disposition]) -> list[dict[str, str]]:
    return [{"label": label, "disposition": disposition} for label, disposition in dispositions.items()]
