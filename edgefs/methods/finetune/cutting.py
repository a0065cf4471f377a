"""A backbone cut in two: what stays as it is, computed once for each image, and what learns.

    cut = CutNetwork(network, plan, frozen=4)     # the first four taps stay
    bank = cut.remember(pixels)                   # once
    blocks = cut(*bank.rows(positions))           # every step: [n,F], as `EmbeddingNetwork` pools them

The frozen part is most of the arithmetic. Remembered for every view that an image is trained in, it makes folds, a
search and many epochs cost seconds where they would cost minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torchvision.models.feature_extraction import create_feature_extractor

from edgefs.embedding.network import POOLINGS, EmbeddingPlan


@dataclass(frozen=True)
class Bank:
    """What the frozen part says of n images.

    Attributes:
        crossing: tensors `[n,…]` that go on into the part that learns.
        early: float32 `[n,F']`, pooled maps of the frozen taps.
    """

    crossing: tuple[Tensor, ...]
    early: Tensor

    def __len__(self) -> int:
        return len(self.early)

    @classmethod
    def joined(cls, parts: Iterable[Bank]) -> Bank:
        """One after the other."""
        banks = list(parts)
        crossing = zip(*(bank.crossing for bank in banks), strict=True)
        return cls(tuple(torch.cat(tensors) for tensors in crossing), torch.cat([bank.early for bank in banks]))

    def first(self, number: int) -> Bank:
        """The first so many."""
        return Bank(tuple(tensor[:number] for tensor in self.crossing), self.early[:number])

    def rows(self, positions: Tensor) -> tuple[Tensor, ...]:
        """What `CutNetwork` takes for some of the images."""
        return (self.early[positions], *(tensor[positions] for tensor in self.crossing))


class CutNetwork(nn.Module):
    """Pooled maps of all taps `[n,F]`, from what the frozen part has said.

    Args:
        network: maps normalised float32 `[n,3,H,W]` to anything; its values are shared, not copied.
        plan: which taps and poolings.
        frozen: how many of the taps, from the first, belong to the part that does not learn.
    """

    def __init__(self, network: nn.Module, plan: EmbeddingPlan, frozen: int) -> None:
        super().__init__()
        self.plan = plan
        extractor = create_feature_extractor(network, list(plan.taps), suppress_diff_warning=True)
        nodes = _tap_nodes(extractor)
        first = _up_to(extractor.graph, nodes[plan.taps[frozen - 1]] if frozen else None)
        self._early = [(tap, pooling) for tap in plan.taps[:frozen] for pooling in plan.poolings]
        self._late = [(tap, pooling) for tap in plan.taps[frozen:] for pooling in plan.poolings]
        self._crossing = [node for node in extractor.graph.nodes if node in first and _goes_on(node, first)]
        self._head = _part(extractor, first, [], {**_some(nodes, plan.taps[:frozen]), **_named(self._crossing)})
        self.tail = _part(
            extractor, set(extractor.graph.nodes) - first, self._crossing, _some(nodes, plan.taps[frozen:])
        )

    def train(self, mode: bool = True) -> CutNetwork:
        """Set the mode as any module does; the frozen part stays in evaluation mode."""
        super().train(mode)
        self._head.eval()
        return self

    @torch.no_grad()
    def remember(self, pixels: Tensor) -> Bank:
        """What the frozen part says of normalised images `[n,3,H,W]`."""
        found = self._head.eval()(pixels)
        crossing = tuple(found[node.name] for node in self._crossing)
        pooled = [POOLINGS[pooling](found[tap]) for tap, pooling in self._early]
        return Bank(crossing, torch.cat(pooled, dim=1) if pooled else pixels.new_zeros(len(pixels), 0))

    def forward(self, early: Tensor, *crossing: Tensor) -> Tensor:
        """The F numbers of each image, blocks in the plan's order, each as it is pooled."""
        if not self._late:
            return early
        maps = self.tail(*crossing)
        return torch.cat([early, *(POOLINGS[pooling](maps[tap]) for tap, pooling in self._late)], dim=1)


def _tap_nodes(extractor: fx.GraphModule) -> dict[str, fx.Node]:
    output = next(node for node in extractor.graph.nodes if node.op == "output")
    taps: dict[str, fx.Node] = output.args[0]
    return taps


def _up_to(graph: fx.Graph, last: fx.Node | None) -> set[fx.Node]:
    """The nodes as they are computed, to this one; the input alone without it."""
    found = set()
    for node in graph.nodes:
        if node.op == "placeholder" or last is not None:
            found.add(node)
        if node is last:
            break
    return found


def _goes_on(node: fx.Node, first: set[fx.Node]) -> bool:
    return any(user not in first and user.op != "output" for user in node.users)


def _some(nodes: Mapping[str, fx.Node], names: Iterable[str]) -> dict[str, fx.Node]:
    return {name: nodes[name] for name in names}


def _named(nodes: Iterable[fx.Node]) -> dict[str, fx.Node]:
    return {node.name: node for node in nodes}


def _part(
    extractor: fx.GraphModule, kept: set[fx.Node], inputs: Iterable[fx.Node], outputs: Mapping[str, fx.Node]
) -> fx.GraphModule:
    """A module of some of the nodes, with the extractor's own submodules."""
    graph = fx.Graph()
    copies = {node: graph.placeholder(node.name) for node in inputs}
    for node in extractor.graph.nodes:
        if node in kept and node.op != "output":
            copies[node] = graph.node_copy(node, lambda old: copies[old])
    graph.output({name: copies[node] for name, node in outputs.items()})
    return fx.GraphModule(extractor, graph)
