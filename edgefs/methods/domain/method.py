"""Domain adaptation: a network learned on one domain's labels, made to serve another that has few or none.

    over θf, θd:  L_task(θf) + λ L_domain(θf, θd; Ds, Dt), θf against θd through a gradient reversal

Domain-adversarial training of neural networks (DANN), Ganin et al. 2016 (arXiv:1505.07818), with what was found since
to work without a label of the target: statistics of batch normalisation for each domain (Li et al. 2016), a teacher's
sure answers (French et al. 2018). The order is the text-book one: joint training, the domain classifier dropped,
fine-tuning on the target's labels where there are any, and a gallery; then the guard, which ships the model that
learned from the source alone unless adaptation shows that it helped.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from edgefs.data import Sample
from edgefs.data.domains import TwoDomains
from edgefs.evaluation.scores import balanced_accuracy
from edgefs.methods.domain import DomainSettings
from edgefs.methods.domain.frozen import adapt_frozen
from edgefs.methods.domain.guard import Adaptation, Verdict, judge
from edgefs.methods.domain.network import Classified
from edgefs.methods.domain.objective import Domains
from edgefs.methods.domain.pixels import load_pixels, within_memory
from edgefs.methods.domain.thresholds import correction_by_target
from edgefs.methods.domain.training import Trainer
from edgefs.methods.domain.validators import Answers, Spread, answers_of
from edgefs.methods.embedding import embed_all
from edgefs.methods.task import Adapted, Task
from edgefs_runtime.base.errors import EdgefsError

_LEAST_HELD_OUT = 100  # source images that a model is judged by; with fewer, those learned from judge too


def adapt_domain(task: Task) -> Adapted:
    """Train on the source alone and on both domains; ship what the guard lets through.

    Raises:
        EdgefsError: what was asked for does not go together.
        TrainingError: the loss is no number any more.
    """
    assert task.domains is not None  # noqa: S101 - `pipelines.preparing` reads them for this method
    settings = task.settings.of(DomainSettings)
    if settings.domain_loss is None and (settings.adapt_bn or settings.align):
        return adapt_frozen(task, task.domains)
    if settings.align:
        raise EdgefsError(f"--align {settings.align} is for embeddings that are not trained; leave out --domain-loss")
    images = _Pixels.load(task, task.domains)
    trainer = Trainer.of(task, images.domains.classes)
    plain = trainer.source_only(images.domains.source, images.domains.source_classes)
    chosen, notes = _adapt(trainer, plain, images)
    if len(images.domains.labelled):
        chosen = trainer.on_target(chosen, images.domains)
        notes.append(f"Fine-tuned on the {len(images.domains.labelled)} labelled images of the target at the end.")
    network, symmetries = chosen.network.cpu().eval(), task.symmetries or ()
    embedded = embed_all(task, network, symmetries)
    correction, told = correction_by_target(task, network, embedded, task.domains.target_held_out)
    return Adapted(
        network=network,
        embedded=embedded,
        preprocess=task.in_views(symmetries),
        decision=task.deciding(correction),
        candidates=(),
        notes=(*notes, told),
    )


def _adapt(trainer: Trainer, plain: Classified, images: _Pixels) -> tuple[Classified, list[str]]:
    """What is shipped, and sentences on why."""
    settings, domains = trainer.settings, images.domains
    accuracy = _accuracy(trainer, plain, images)
    learned = f"Source only: {100 * accuracy:.1f} % of the source images held out, before the target is looked at."
    if settings.domain_loss == "none":
        if not settings.adapt_bn:
            return plain, [learned, "No adaptation, as asked."]
        return trainer.with_statistics(plain, domains.target), [learned, "Batch statistics are the target's."]
    adapted = trainer.joint(domains)
    verdict = _judge(trainer, plain, adapted, accuracy, images)
    what = {"dann": "DANN, gradient reversal", "coral": "Deep CORAL"}[settings.domain_loss or "dann"]
    if settings.self_training:
        what += ", a teacher's sure answers on the target"
    if verdict.adapted:
        return adapted, [learned, f"Adapted ({what}): {verdict.reason}."]
    return plain, [learned, f"NOT adapted ({what}), the model of the source alone is kept: {verdict.reason}."]


def _judge(trainer: Trainer, plain: Classified, adapted: Classified, accuracy: float, images: _Pixels) -> Verdict:
    device, classes = trainer.fabric.device, images.domains.classes
    answers = {name: answers_of(model, images.domains.target, device) for name, model in (("a", adapted), ("p", plain))}
    spreads = {name: Spread.of(found) for name, found in answers.items()}
    collapsed = judge(Adaptation(spreads["a"]), Adaptation(spreads["p"]), None, classes)
    if collapsed.collapsed:
        return collapsed
    reverse = _reverse(trainer, answers["a"], images)
    return judge(Adaptation(spreads["a"], reverse), Adaptation(spreads["p"]), accuracy, classes)


def _reverse(trainer: Trainer, answers: Answers, images: _Pixels) -> float:
    """What of the source a fresh network knows that was taught the target by a model's answers."""
    model = trainer.reverse("reverse", images.domains.target, answers.classes, images.domains.source)
    return _accuracy(trainer, model, images)


def _accuracy(trainer: Trainer, model: Classified, images: _Pixels) -> float:
    """Balanced accuracy on the source's images held out."""
    found = answers_of(model, images.held_out, trainer.fabric.device)
    return balanced_accuracy(images.held_out_classes.numpy(), found.classes)


@dataclass(frozen=True)
class _Pixels:
    """Pixels of all that is learned from, and of what the source holds out."""

    domains: Domains
    held_out: Tensor
    held_out_classes: Tensor

    @classmethod
    def load(cls, task: Task, two: TwoDomains) -> _Pixels:
        labels = sorted({sample.label for sample in two.source})
        size = task.preprocess.size
        source = within_memory(two.source, size, task.seed)
        held_out = (
            two.source_held_out if len(two.source_held_out) >= _LEAST_HELD_OUT else (*two.source_held_out, *two.source)
        )
        target = within_memory(two.target, size, task.seed)
        labelled = task.split.train if two.labelled else ()

        def pixels(samples: tuple[Sample, ...], step: str) -> Tensor:
            return load_pixels(samples, task.preprocess, task.steps(step))

        def classes(samples: tuple[Sample, ...]) -> Tensor:
            return torch.tensor([labels.index(sample.label) for sample in samples], dtype=torch.int64)

        domains = Domains(
            pixels(source, "load source images"),
            classes(source),
            pixels(target, "load target images"),
            pixels(labelled, "load labelled target images"),
            classes(labelled),
            len(labels),
        )
        return cls(domains, pixels(held_out, "load held-out source images"), classes(held_out))
