"""The command line: `python -m benchmarks`, see `--help`."""

from __future__ import annotations

import argparse
import sys

from benchmarks.frameworks import FRAMEWORKS, gpu, prepare
from benchmarks.kinds import BenchmarkError, Side, Workload
from benchmarks.report import results, text_table, write
from benchmarks.runner import Outcome, run
from benchmarks.workloads import ALL, GPU, WORKLOADS, workload_called

ROUNDS = 7
QUICK_ROUNDS = 3


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Dovetail side by side with its peers."
    )
    made.add_argument("--only", metavar="NAME,...", help="measure these workloads only")
    made.add_argument(
        "--frameworks",
        metavar="NAME,...",
        help="let only these take part; prints the figures and writes no results",
    )
    made.add_argument("--rounds", type=int, default=0, help=f"timed repeats of each side (default {ROUNDS})")
    made.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds")
    made.add_argument("--gpu", action="store_true", help="what is measured on a GPU, instead")
    made.add_argument("--list", action="store_true", help="list the workloads and their bars, and end")
    return made


def chosen_workloads(args: argparse.Namespace) -> list[Workload]:
    """Return the workloads named on the command line, or all for the CPU, or all for a GPU."""
    if args.only:
        return [workload_called(name.strip()) for name in args.only.split(",")]
    return list(GPU if args.gpu else WORKLOADS)


def chosen_sides(workload: Workload, frameworks: str | None) -> list[Side]:
    """Return the sides of a workload whose framework, or label, was named on the command line, or all."""
    if not frameworks:
        return list(workload.sides)
    named = {name.strip() for name in frameworks.split(",")}
    known = set(FRAMEWORKS) | {side.label for w in ALL for side in w.sides}
    if named - known:
        raise BenchmarkError(
            f"no framework is called {sorted(named - known)}; there are {sorted(FRAMEWORKS)}"
        )
    return [side for side in workload.sides if side.framework in named or side.label in named]


def listing() -> str:
    """Return the workloads, their sides and their bars as text."""
    lines = []
    for workload in ALL:
        lines.append(f"{workload.name:22} {workload.about} [{workload.unit}]")
        lines.append(f"{'':22}   sides: {', '.join(side.label for side in workload.sides)}")
        lines.extend(f"{'':22}   bar: {bar.text}" for bar in workload.bars)
    return "\n".join(lines)


def measure(args: argparse.Namespace) -> list[Outcome]:
    """Run the chosen workloads, one after the other."""
    rounds = args.rounds or (QUICK_ROUNDS if args.quick else ROUNDS)
    if rounds < 1:
        raise BenchmarkError(f"--rounds: expected at least 1, received {rounds}")
    workloads = chosen_workloads(args)
    if any(workload.device == "gpu" for workload in workloads):
        gpu()
    pairs = [(workload, chosen_sides(workload, args.frameworks)) for workload in workloads]
    pairs = [(workload, sides) for workload, sides in pairs if sides]
    prepare()
    outcomes = []
    for number, (workload, sides) in enumerate(pairs, start=1):
        outcomes.append(run(workload, sides, rounds, f"[{number}/{len(pairs)}]"))
        if not args.frameworks:
            write(outcomes[-1])  # after each workload, so that an interrupted run keeps what it measured
    return outcomes


def main() -> int:
    """Run the command line and return its exit status."""
    args = parser().parse_args()
    if args.list:
        print(listing())
        return 0
    try:
        outcomes = measure(args)
    except BenchmarkError as error:
        sys.stderr.write(f"benchmarks: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nbenchmarks: interrupted; the workloads that had finished are in the results\n")
        return 130
    print(text_table(outcomes))
    if not args.frameworks:
        places = sorted({str(results(outcome.workload.device)) for outcome in outcomes})
        print(f"\nwritten to {', '.join(places)}: latest.json, README.md, ratios.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
