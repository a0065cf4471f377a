"""Rows of the table that a run prints: `name | wanted | got`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line: what was tried, what is wanted of it, what came, and whether that is as wanted."""

    name: str
    wanted: str
    got: str
    holds: bool
    problems: tuple[str, ...] = ()


def tally(name: str, wanted: str, tried: int, problems: Sequence[str]) -> Row:
    """The row of many tries, each problem said as `kind: what happened`."""
    kinds = Counter(problem.partition(":")[0] for problem in problems)
    got = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) or "none of them"
    return Row(name, f"{wanted} in {tried:,}", got, not problems, tuple(problems))


def as_text(rows: Iterable[Row], examples: int = 1) -> str:
    """For a terminal, with some examples of each kind of problem below."""
    lines = []
    for row in rows:
        lines.append(f"{'ok  ' if row.holds else 'FAIL'} {row.name} | {row.wanted} | {row.got}")
        shown: Counter[str] = Counter()
        for problem in row.problems:
            kind = problem.partition(":")[0]
            shown[kind] += 1
            lines += [f"       {problem:.300}"] if shown[kind] <= examples else []
    return "\n".join(lines)


def table_row(row: Row) -> str:
    """A line of docs/reliability.md."""
    return f"| {row.name} | {row.wanted} | {row.got} |\n"


def table_of(rows: Iterable[str]) -> str:
    """The table of these lines, in Markdown."""
    return "".join(["| test | wanted | got |\n", "|---|---|---|\n", *rows])
