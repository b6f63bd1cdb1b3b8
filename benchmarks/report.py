"""Writes results: a table on the terminal, latest.json, README.md and ratios.png in benchmarks/results/."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.frameworks import gpu, versions
from benchmarks.judge import judge
from benchmarks.kinds import BenchmarkError, Workload
from benchmarks.picture import draw
from benchmarks.runner import Measured, Outcome
from benchmarks.workloads import ALL

RESULTS = Path(__file__).resolve().parent / "results"
ERROR_WIDTH = 160
NOISY = 0.1


def text_table(outcomes: Sequence[Outcome]) -> str:
    """Return the figures, ratios and bars for a terminal."""
    lines = []
    for outcome in outcomes:
        workload = outcome.workload
        lines.append(
            f"\n{workload.name}: {workload.about} "
            f"[{workload.unit}, {outcome.rounds} rounds{_machine_peak(outcome)}{_others(outcome)}]"
        )
        for label, figure, spread, ratio, memory, share in rows(outcome):
            lines.append(f"    {label:20} {figure:>12}  {spread:24} {ratio:>7}  {memory:12} {share}".rstrip())
        lines.extend(
            f"  {verdict.word:>12}: {verdict.bar.text} ({verdict.detail})" for verdict in judge(outcome)
        )
    return "\n".join(lines)


def rows(outcome: Outcome) -> list[tuple[str, str, str, str, str, str]]:
    """Return (side, figure, range, ratio to ours, peak memory, share of the machine's peak) as text.

    An error stands in the range; the share is empty where a workload does not count its operations.
    """
    workload = outcome.workload
    table = []
    for label, measured in outcome.sides.items():
        if measured.median is None:
            table.append((label, "error", _short(measured.error or "not measured"), "", "", ""))
            continue
        spread = f"{number(min(measured.values))} .. {number(max(measured.values))}"
        ratio = outcome.ratio(label, workload.ours) if label in workload.peers else None
        shown = "" if ratio is None else f"{ratio:.2f}x"
        memory = "" if measured.peak_mib is None else f"{measured.peak_mib:,.0f} MiB"
        share = outcome.peak_share(label)
        of_peak = "" if share is None else f"{share:.0%}"
        table.append((label, number(measured.median), spread, shown, memory, of_peak))
    return table


def number(value: float) -> str:
    """Write a figure with three significant digits, large ones in groups of thousands."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _short(error: str) -> str:
    flat = " ".join(error.split()).replace("|", "/")
    return flat if len(flat) <= ERROR_WIDTH else flat[: ERROR_WIDTH - 3] + "..."


def results(device: str) -> Path:
    """Return the folder of the figures that were measured on a device."""
    return RESULTS if device == "cpu" else RESULTS / device


def write(outcome: Outcome) -> None:
    """Merge new figures into latest.json, and write the table and the picture from all that it then holds."""
    device = outcome.workload.device
    directory = results(device)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "latest.json"
    known = {outcome.workload.name: outcome for outcome in (read(path) if path.exists() else [])}
    known[outcome.workload.name] = outcome
    everything = [known[workload.name] for workload in ALL if workload.name in known]
    here = machine(device)
    path.write_text(json.dumps(as_json(everything, here), indent=1) + "\n")
    (directory / "README.md").write_text(markdown(everything, here))
    draw(everything, directory / "ratios.png")


def as_json(outcomes: Sequence[Outcome], here: dict[str, str]) -> dict[str, Any]:
    """Return everything that was measured, with the machine and the versions it was measured on."""
    return {
        "machine": here,
        "versions": versions(),
        "workloads": {
            outcome.workload.name: {
                "about": outcome.workload.about,
                "unit": outcome.workload.unit,
                "rounds": outcome.rounds,
                "measured_at": outcome.measured_at,
                "busy_elsewhere": outcome.busy_elsewhere,
                "machine_peak": outcome.machine_peak.values if outcome.machine_peak else [],
                "sides": {
                    label: {
                        "median": side.median,
                        "values": side.values,
                        "error": _short(side.error),
                        **({"parts": side.parts} if side.parts else {}),
                        "peak_mib": side.peak_mib,
                    }
                    for label, side in outcome.sides.items()
                },
                "bars": [{"text": v.bar.text, "met": v.met, "detail": v.detail} for v in judge(outcome)],
            }
            for outcome in outcomes
        },
    }


def read(path: Path) -> list[Outcome]:
    """Return the outcomes in latest.json, leaving out workloads that no longer exist."""
    by_name: dict[str, Workload] = {workload.name: workload for workload in ALL}
    try:
        stored = json.loads(path.read_text())["workloads"]
    except (json.JSONDecodeError, KeyError) as error:
        raise BenchmarkError(
            f"{path} is not a result file of these benchmarks ({error}); delete it"
        ) from error
    return [
        Outcome(
            by_name[name],
            {
                label: Measured(side["values"], side["error"], side.get("parts", {}), side.get("peak_mib"))
                for label, side in entry["sides"].items()
            },
            entry["rounds"],
            entry["measured_at"],
            entry["busy_elsewhere"],
            Measured(entry["machine_peak"]) if entry.get("machine_peak") else None,
        )
        for name, entry in stored.items()
        if name in by_name
    ]


def machine(device: str = "cpu") -> dict[str, str]:
    """Return the processor, its number of cores, the GPU where that counts, and the Python version."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        **({"gpu": gpu()} if device == "gpu" else {}),
        "cpu": model,
        "cores": str(cores),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def markdown(outcomes: Sequence[Outcome], here: dict[str, str]) -> str:
    """Return the page with the bars first and all figures after them."""
    devices = ", ".join(here[each] for each in ("gpu", "cpu") if each in here)
    used = ", ".join(f"{name} {version}" for name, version in versions().items())
    lines = [
        "# Benchmark results",
        "",
        "Written by `make bench` (`python -m benchmarks`); do not edit. Every framework ran in its own",
        "process, asked in turn for one repeat a round; figures are medians over the rounds. A ratio above 1",
        "means that Dovetail is that many times faster. Peak memory is the most that a side's process held at",
        "once, imports and compiling included. The share of the machine's peak is that of the operations which a",
        "workload counts (benchmarks/flops.py), against a large product of matrices in the same rounds.",
        "",
        f"{devices}, {here['cores']} cores, {here['system']}, Python {here['python']}; default "
        "thread counts everywhere.",
        "",
        f"Versions: {used}.",
        "",
        "![ratios](ratios.png)",
        "",
        "## Bars",
        "",
        "| workload | bar | measured | |",
        "|---|---|---|---|",
    ]
    for outcome in outcomes:
        for verdict in judge(outcome):
            cells = (outcome.workload.name, verdict.bar.text, verdict.detail, verdict.word)
            lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "## Figures", ""]
    for outcome in outcomes:
        lines += _section(outcome)
    return "\n".join(lines)


def _machine_peak(outcome: Outcome) -> str:
    """Say what a product of matrices reached in the same rounds."""
    if outcome.machine_peak is None or outcome.machine_peak.median is None:
        return ""
    return f", the machine's peak {number(outcome.machine_peak.median)} GFLOP/s"


def _others(outcome: Outcome) -> str:
    """Say so when other programs used the machine meanwhile: such figures are to be taken again."""
    if outcome.busy_elsewhere is None or outcome.busy_elsewhere < NOISY:
        return ""
    return f", while other programs used {outcome.busy_elsewhere:.0%} of the machine"


def _section(outcome: Outcome) -> list[str]:
    workload = outcome.workload
    better = "more is better" if workload.is_throughput else "less is better"
    lines = [
        f"### {workload.name}",
        "",
        f"{workload.about[0].upper()}{workload.about[1:]}; {workload.unit}, {better}. "
        f"{outcome.rounds} rounds, {outcome.measured_at}{_machine_peak(outcome)}{_others(outcome)}.",
        "",
        f"| | median | range | ratio to {workload.ours} | peak memory | of the machine's peak |",
        "|---|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in rows(outcome)]
    return [*lines, "", *_parts_table(outcome)]


def _parts_table(outcome: Outcome) -> list[str]:
    """Return the figures of all parts, those first that are slowest beside a peer; []: there are none."""
    workload = outcome.workload
    if not all(label in outcome.sides for label in (workload.ours, *workload.peers)):
        return []
    ratios = outcome.part_ratios(workload.peers, workload.ours)
    labels = [workload.ours, *workload.peers]
    figures = [outcome.sides[label].part_medians for label in labels]
    table = [
        (name, *(number(found[name]) if name in found else "" for found in figures), f"{ratios[name]:.2f}x")
        for name in sorted(ratios, key=lambda name: ratios[name])
    ]
    if not table:
        return []
    head = f"| part | {' | '.join(labels)} | ratio to the fastest peer |"
    return [head, "|---" * (len(labels) + 2) + "|", *("| " + " | ".join(row) + " |" for row in table), ""]
