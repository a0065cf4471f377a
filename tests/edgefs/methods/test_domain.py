"""Domain adaptation: its parts against their definitions, and the method through `adapt`, `export` and a device."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from bundles import remade
from click.testing import CliRunner
from PIL import Image
from textures import draw, write_set
from torch import nn

from edgefs.cli import main
from edgefs.methods.domain import DomainSettings
from edgefs.methods.domain.adabn import estimate_statistics
from edgefs.methods.domain.classifier import DomainClassifier
from edgefs.methods.domain.coral import coral_loss
from edgefs.methods.domain.dann import domain_loss
from edgefs.methods.domain.guard import Adaptation, judge
from edgefs.methods.domain.reversal import reversal_strength, reverse_gradient
from edgefs.methods.domain.validators import Answers, Spread
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.progress import Progress
from edgefs.runs.run import Run
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Bundle, Classifier
from edgefs_runtime.base.errors import DataError, EdgefsError, TrainingError, WeightsError

KINDS = ("good", "stripes", "dots")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_set(tmp_path / "source", 14)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Negatives: `train/` without labels, `test/<class>/`."""
    for kind in KINDS:
        for number in range(200, 212):
            save_negative(tmp_path / "target" / "train", kind, number)
        for number in range(300, 304):
            save_negative(tmp_path / "target" / "test" / kind, kind, number)
    return tmp_path / "target"


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Negatives with labels, divided."""
    for kind in KINDS:
        for number in range(200, 212):
            save_negative(tmp_path / "labelled" / "train" / kind, kind, number)
        for number in range(300, 304):
            save_negative(tmp_path / "labelled" / "test" / kind, kind, number)
    return tmp_path / "labelled"


@pytest.fixture
def hazy(tmp_path: Path) -> Path:
    """With less contrast: 84 images without labels, 12 that test."""
    for kind in KINDS:
        for number in range(200, 232):
            folder = tmp_path / "hazy" / ("train" if number < 228 else f"test/{kind}")
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray((0.6 * draw(kind, number) + 40).astype(np.uint8)).save(folder / f"{kind}-{number}.png")
    return tmp_path / "hazy"


def save_negative(folder: Path, kind: str, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(255 - draw(kind, number)).save(folder / f"{kind}-{number}.png")


def settings(source: Path | None, backbone: str = "pico", epochs: int = 1, **options: object) -> AdaptSettings:
    domain = {name: options.pop(name) for name in list(options) if name in DomainSettings.__dataclass_fields__}
    return AdaptSettings(
        method="domain",
        backbone=backbone,
        epochs=epochs,
        own=(DomainSettings(source=str(source) if source else None, **domain),),  # type: ignore[arg-type]
        **options,  # type: ignore[arg-type]
    )


def test_the_gradient_comes_back_reversed_and_the_values_stay() -> None:
    features = torch.randn(4, 3, requires_grad=True)
    same = reverse_gradient(features, 0.5)
    (same * torch.arange(3.0)).sum().backward()
    assert torch.equal(same, features)
    assert features.grad is not None
    assert torch.equal(features.grad, -0.5 * torch.arange(3.0).expand(4, 3))


def test_lambda_follows_the_schedule_of_the_paper() -> None:
    assert reversal_strength(0) == 0
    assert reversal_strength(0.1) == pytest.approx(2 / (1 + np.exp(-1)) - 1)
    assert reversal_strength(1) == pytest.approx(1, abs=1e-4)


def test_one_step_helps_the_domain_classifier_and_hurts_by_the_features() -> None:
    torch.manual_seed(0)
    features, classifier = nn.Linear(5, 4), DomainClassifier(4)
    source, target = torch.randn(32, 5) + 1, torch.randn(32, 5) - 1

    def loss() -> torch.Tensor:
        return domain_loss(classifier(features(source), 1.0), classifier(features(target), 1.0))

    before = loss()
    before.backward()
    for moved, better in ((classifier, True), (features, False)):
        values = {name: value.clone() for name, value in moved.state_dict().items()}
        with torch.no_grad():
            for parameter in moved.parameters():
                parameter -= 0.01 * parameter.grad
        assert bool(loss() < before) is better
        moved.load_state_dict(values)


def test_coral_is_the_distance_of_covariances() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 6)), rng.normal(size=(40, 6)) * 2
    expected = ((np.cov(a.T) - np.cov(b.T)) ** 2).sum() / (4 * 36)
    assert float(coral_loss(torch.from_numpy(a), torch.from_numpy(b))) == pytest.approx(expected)


def test_statistics_become_those_of_the_images() -> None:
    network = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(0.5)).train()
    images = 3 + 2 * torch.randn(64, 2, 5, 5)
    estimate_statistics(network, images.split(16))
    assert torch.allclose(network[0].running_mean, images.mean((0, 2, 3)), atol=1e-4)
    assert network[0].momentum == 0.1
    assert not any(module.training for module in network.modules())


def answers(classes: np.ndarray, count: int, directions: int) -> Answers:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(len(classes), directions)) @ rng.normal(size=(directions, 16))
    return Answers(rows.astype(np.float32), np.eye(count, dtype=np.float32)[classes] * 0.9 + 0.1 / count)


def test_a_collapse_is_never_shipped() -> None:
    even = np.arange(200) % 10
    sound = Spread.of(answers(even, 10, 9))
    few_classes = Spread.of(answers(even % 2, 10, 9))
    one_direction = Spread.of(answers(even, 10, 1))
    assert sound.used == pytest.approx(10, abs=0.1)
    for collapsed in (few_classes, one_direction):
        verdict = judge(Adaptation(collapsed, 0.99), Adaptation(sound, 0.5), 0.99, 10)
        assert not verdict.adapted
        assert "collapsed" in verdict.reason


@pytest.mark.parametrize(
    ("reverse", "source", "surer", "shipped"),
    [(0.9, 0.98, True, True), (0.3, 0.98, True, False), (0.9, 0.98, False, False), (0.2, 0.15, True, False)],
)
def test_the_adapted_model_must_show_that_it_helped(reverse: float, source: float, surer: bool, shipped: bool) -> None:
    spread = Spread.of(answers(np.arange(200) % 10, 10, 9))
    unsure = Spread(spread.entropy + 0.5, spread.used, spread.rank)
    adapted, plain = (spread, unsure) if surer else (unsure, spread)
    assert judge(Adaptation(adapted, reverse), Adaptation(plain), source, 10).adapted is shipped


def test_an_unlabelled_target_ends_in_a_bundle_that_learns_a_class(source: Path, target: Path, tmp_path: Path) -> None:
    run, measured = adapt(target, tmp_path / "run", settings(source, epochs=2, seed=1))
    assert measured.test is not None
    assert len(measured.test.samples) == 12
    assert list(run.record.labels) == ["dots", "good", "stripes"]
    notes = "\n".join(run.record.notes)
    assert "36 target images without a label" in notes
    assert "source" in notes
    assert "NOT adapted" in notes  # negatives are told apart by what the source taught, and more surely
    assert "the model of the source alone is kept" in notes
    exported = export(run.folder, tmp_path / "b.edgefs")
    assert exported.parity.flips == 0
    checks = write_set(tmp_path / "new", 5, ("checks",)) / "checks"
    with Classifier.open(tmp_path / "b.edgefs", gallery=tmp_path / "gallery") as classifier:
        classifier.enroll("checks", sorted(checks.iterdir()), force=True)
        assert "checks" in classifier.judge.snapshot.labels


def test_where_the_source_alone_is_unsure_the_adapted_network_ships(source: Path, hazy: Path, tmp_path: Path) -> None:
    run, measured = adapt(hazy, tmp_path / "run", settings(source, epochs=2, seed=1))
    (told,) = [note for note in run.record.notes if note.startswith("Adapted (DANN")]
    after, before = map(float, re.findall(r"(-?\d\.\d+) nats of the class, (-?\d\.\d+) before", told)[0])
    assert after > before
    assert measured.test is not None
    assert measured.test.evaluation.nearest.accuracy.value > 0.9


def test_images_may_lie_directly_in_the_folder(source: Path, target: Path, tmp_path: Path) -> None:
    run, measured = adapt(target / "train", tmp_path / "run", settings(source, domain_loss="none"))
    assert run.record.images.test == ()
    assert measured.test is None


def test_few_labels_of_the_target_make_its_gallery(source: Path, labelled: Path, tmp_path: Path) -> None:
    run, _ = adapt(labelled, tmp_path / "run", settings(source, shots=3))
    gallery = [image.path for image in run.record.images.train]
    assert len(gallery) == 9
    assert all(path.startswith("train/") for path in gallery)
    notes = "\n".join(run.record.notes)
    assert "36 target images, of which 9 with the label" in notes
    assert "Fine-tuned on the 9 labelled images" in notes


def test_deep_coral_trains_too(source: Path, target: Path, tmp_path: Path) -> None:
    run, _ = adapt(target, tmp_path / "run", settings(source, domain_loss="coral", self_training=False))
    assert any("Deep CORAL" in note for note in run.record.notes)


@pytest.mark.parametrize("options", [{"adapt_bn": True}, {"align": "coral"}])
def test_the_cheap_kinds_train_nothing(options: dict[str, object], source: Path, target: Path, tmp_path: Path) -> None:
    run, _ = adapt(target, tmp_path / "run", settings(source, dim=0, **options))
    assert any("No training" in note for note in run.record.notes)


def test_a_gallery_of_another_domain_has_a_network_of_its_own(hazy: Path, tmp_path: Path) -> None:
    source = write_set(tmp_path / "clear", 30)
    run, _ = adapt(hazy, tmp_path / "run", settings(source, "tiny", dim=32, align="mean"))
    assert any("Alignment: mean, by 64 target images" in note for note in run.record.notes)
    assert (run.folder / "gallery.safetensors").is_file()
    export(run.folder, tmp_path / "b.edgefs")
    (enrolment, *_) = run.enrolments()
    with Classifier.open(tmp_path / "b.edgefs", gallery=tmp_path / "gallery") as classifier:
        shipped = classifier.judge.snapshot
        own = shipped.vectors[shipped.classes == shipped.labels.index(enrolment.label)]
        assert np.allclose(own, enrolment.vectors, atol=1e-4)


def test_alignment_serves_less_contrast_better(hazy: Path, tmp_path: Path) -> None:
    source, found = write_set(tmp_path / "clear", 30), {}
    for name, options in (("aligned", {"align": "mean"}), ("as they come", {"domain_loss": "none", "epochs": 1})):
        _, measured = adapt(hazy, tmp_path / name, settings(source, "tiny", dim=32, **options))  # type: ignore[arg-type]
        assert measured.test is not None
        found[name] = measured.test.evaluation.nearest.accuracy.value
    assert found["aligned"] >= found["as they come"]


def test_what_no_shift_explains_is_not_aligned(source: Path, target: Path, tmp_path: Path) -> None:
    run, _ = adapt(target, tmp_path / "run", settings(source, "tiny", dim=0, align="mean"))
    assert any("--align changed nothing" in note and "What else to try: labels" in note for note in run.record.notes)
    assert not (run.folder / "gallery.safetensors").exists()


def test_the_same_settings_give_the_same_network(source: Path, target: Path, tmp_path: Path) -> None:
    runs = [adapt(target, tmp_path / name, settings(source, seed=3))[0] for name in ("a", "b")]
    assert len({(run.folder / "embedder.safetensors").read_bytes() for run in runs}) == 1


def test_a_training_that_was_stopped_goes_on_and_ends_the_same(source: Path, target: Path, tmp_path: Path) -> None:
    asked = settings(source, epochs=2)
    whole, _ = adapt(target, tmp_path / "whole", asked)
    begun: list[str] = []

    def stopping(step: str) -> Progress:
        def stop(done: int, _total: int, _note: str = "", /) -> None:
            if step == "train: both domains" and done == 2:
                raise KeyboardInterrupt

        begun.append(step)
        return stop

    with pytest.raises(KeyboardInterrupt):
        adapt(target, tmp_path / "run", asked, steps=stopping)
    assert "train: both domains" in begun
    again, _ = adapt(target, tmp_path / "run", asked)
    for name in ("embedder.safetensors", "metrics.json"):
        assert (again.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_a_loss_that_is_no_number_is_one_line(source: Path, target: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no number any more in epoch 1"):
        adapt(target, tmp_path / "run", settings(source, lr=1e30, epochs=1))


def test_bad_input_is_told_with_its_cure(source: Path, target: Path, labelled: Path, tmp_path: Path) -> None:
    (tmp_path / "fewer").mkdir()
    for kind in KINDS[:2]:
        (tmp_path / "fewer" / kind).symlink_to(source / kind)
    cases: dict[str, tuple[Path, AdaptSettings]] = {
        "pass --source": (target, settings(None)),
        "put them into one folder per class": (labelled, settings(target / "train")),
        "pass --without dots": (labelled, settings(tmp_path / "fewer")),
        "--shots 2 needs labels": (target, settings(source, shots=2)),
        "use --task-labels source": (target, settings(source, task_labels="target")),
        "leave out --domain-loss": (target, settings(source, domain_loss="dann", align="mean")),
        "that is the target itself": (source, settings(source)),
        "no batch normalisation; use --align": (target, settings(source, "tiny", adapt_bn=True)),
    }
    for cure, (data, asked) in cases.items():
        with pytest.raises(EdgefsError, match=cure):
            adapt(data, tmp_path / "run", asked)


def test_an_unlabelled_target_is_refused_by_methods_that_need_labels(target: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected one folder of images per class"):
        adapt(target, tmp_path / "run", AdaptSettings(backbone="tiny"))


def test_the_command_takes_its_options(source: Path, target: Path, tmp_path: Path) -> None:
    options = ["--method", "domain", "--backbone", "tiny", "--align", "moments", "--source", str(source), "--dim", "0"]
    result = CliRunner().invoke(main, ["adapt", str(target), "-o", str(tmp_path / "run"), *options])
    assert result.exit_code == 0, result.output
    assert Run.open(tmp_path / "run").record.settings["domain"]["align"] == "moments"
    wrong = CliRunner().invoke(main, ["adapt", str(source), "-o", str(tmp_path / "r"), "--align", "mean"])
    assert wrong.exit_code == 2
    assert "--align is of --method domain" in wrong.output


def test_target_images_kept_out_tell_what_is_usual_there(hazy: Path, tmp_path: Path) -> None:
    source = write_set(tmp_path / "clear", 30)
    run, _ = adapt(hazy, tmp_path / "run", settings(source, "tiny", dim=32, adapt_bn=False, align="mean"))
    assert any("Thresholds: by 20 target images without a label" in note for note in run.record.notes)
    export(run.folder, tmp_path / "b.edgefs")
    decision = Bundle.open(tmp_path / "b.edgefs").manifest.raw["decision"]
    plain = {name: value for name, value in decision.items() if name != "crossfit"}
    remade(tmp_path / "b.edgefs", tmp_path / "plain.edgefs", decision=plain)
    asked = sorted((hazy / "test").glob("*/*.png"))

    def refused(bundle: str) -> int:
        with Classifier.open(tmp_path / bundle, seed_only=True) as classifier:
            return sum(decision.label is None for decision in classifier.predict(asked))

    assert refused("b.edgefs") <= refused("plain.edgefs")


def test_few_target_images_are_not_kept_out_and_that_is_said(source: Path, target: Path, tmp_path: Path) -> None:
    run, _ = adapt(target, tmp_path / "run", settings(source))
    assert run.record.decision.correction is None
    assert any("Thresholds rest on the gallery alone" in note for note in run.record.notes)


def test_the_head_that_was_asked_for_decides(source: Path, target: Path, tmp_path: Path) -> None:
    run, _ = adapt(target, tmp_path / "run", settings(source, head="prototype"))
    assert run.record.head["kind"] == "prototype"


def test_an_untrained_network_is_refused_where_nothing_trains_it(source: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="random values"):
        adapt(source, tmp_path / "run", AdaptSettings(backbone="pico", shots=3))
