"""Draws the ratios: one group of bars per workload, on a logarithmic axis."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.runner import Outcome

BAR_INCHES = 0.21
GREEN, RED, GREY = "#2a7f62", "#b5453c", "#444444"


def draw(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write the picture to `path`.

    A bar to the right of 1 is a peer that is slower than Dovetail; a black mark is the ratio to reach.
    """
    groups = [(outcome, _ratios(outcome)) for outcome in outcomes]
    groups = [(outcome, ratios) for outcome, ratios in groups if ratios]
    if not groups:
        return
    num_lines = sum(len(ratios) + 1 for _, ratios in groups)
    # Imported here: the "Agg" canvas has to be chosen first, and `--list` should not need matplotlib.
    importlib.import_module("matplotlib").use("Agg")
    plt = importlib.import_module("matplotlib.pyplot")
    figure, axes = plt.subplots(figsize=(9, num_lines * BAR_INCHES + 1.2), layout="constrained")
    positions, names = _draw_groups(axes, groups)
    axes.set_yticks(positions, names, fontsize=8)
    axes.set_ylim(num_lines - 0.3, -0.7)
    axes.set_xscale("log")
    axes.set_xlabel(
        "times faster than the peer (right of 1: Dovetail is faster); black marks: the bar to reach"
    )
    axes.axvline(1, color=GREY, linewidth=1)
    axes.margins(x=0.12)
    axes.xaxis.set_major_formatter("{x:g}x")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title("Dovetail against its peers", loc="left")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _ratios(outcome: Outcome) -> dict[str, float]:
    workload = outcome.workload
    ratios = {label: outcome.ratio(label, workload.ours) for label in workload.peers}
    return {label: ratio for label, ratio in ratios.items() if ratio is not None}


def _draw_groups(
    axes: Any, groups: Sequence[tuple[Outcome, dict[str, float]]]
) -> tuple[list[int], list[str]]:
    """Draw all bars and return where their names go."""
    row, positions, names = 0, [], []
    for outcome, ratios in groups:
        axes.text(0.0, row, outcome.workload.name, fontsize=8, weight="bold", va="center",
                  transform=axes.get_yaxis_transform())  # fmt: skip
        wanted = {
            bar.than: bar.at_least
            for bar in outcome.workload.bars
            if bar.ours == outcome.workload.ours and bar.of == "speed"
        }
        row += 1
        for label, ratio in ratios.items():
            axes.barh(row, ratio - 1, left=1, height=0.75, color=GREEN if ratio >= 1 else RED)
            axes.annotate(f"{ratio:.2g}x" if ratio < 100 else f"{ratio:.0f}x", (ratio, row), fontsize=7,
                          xytext=(4 if ratio >= 1 else -4, 0), textcoords="offset points",
                          ha="left" if ratio >= 1 else "right", va="center", zorder=3,
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8})  # fmt: skip
            least = wanted.get(label, wanted.get("*"))
            if least is not None:
                axes.plot([least, least], [row - 0.45, row + 0.45], color="black", linewidth=2)
            positions.append(row)
            names.append(label)
            row += 1
    return positions, names
