"""The table of benchmarks is consistent, and bars of speed and memory are judged by the right figures."""

import pytest

from benchmarks import flops
from benchmarks.bars import MEMORY, best
from benchmarks.judge import judge
from benchmarks.kinds import Bar, Side, Workload
from benchmarks.report import as_json, rows
from benchmarks.runner import Measured, Outcome
from benchmarks.workloads import ALL

SIDES = tuple(Side(label, label, command=("-c", "")) for label in ("dovetail", "torch", "tf_keras"))


def outcome(*figures: tuple[float, float | None]) -> Outcome:
    """Returns an outcome whose sides have these figures: samples a second, and MiB."""
    workload = Workload("made_up", "made up", "samples/s", SIDES, (best(1.5), MEMORY))
    measured = {
        side.label: Measured([speed], peak_mib=peak)
        for side, (speed, peak) in zip(SIDES, figures, strict=True)
    }
    return Outcome(workload, measured, 1, "2000-01-01 00:00")


def test_names_are_unique():
    names = [workload.name for workload in ALL]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("workload", ALL, ids=lambda w: w.name)
def test_bars_speak_of_sides_that_there_are(workload):
    labels = [side.label for side in workload.sides]
    assert len(set(labels)) == len(labels)
    for bar in workload.bars:
        assert bar.ours in labels
        peers = (bar.than,) if bar.than is None or isinstance(bar.than, str) else bar.than
        assert set(peers) <= {None, "*", *labels}
        assert bar.of in ("speed", "memory")


def test_the_best_peer_counts():
    speed, memory = judge(outcome((150, 330), (100, 400), (80, 300)))
    assert speed.met and speed.detail == "1.50x torch, bar 1.5x"
    assert memory.met and memory.detail == "1.10x tf_keras's, bar 1.1x"
    speed, memory = judge(outcome((149, 331), (100, 400), (80, 300)))
    assert not speed.met and not memory.met


def test_a_side_without_a_peak_leaves_memory_open():
    speed, memory = judge(outcome((150, 330), (100, None), (80, 300)))
    assert speed.met
    assert memory.met is None


def test_peaks_are_reported():
    made = outcome((150, 330), (100, None), (80, 1300))
    assert [row[4] for row in rows(made)] == ["330 MiB", "", "1,300 MiB"]
    assert as_json([made], {})["workloads"]["made_up"]["sides"]["dovetail"]["peak_mib"] == 330


@pytest.mark.parametrize(("unit", "figure"), [("samples/s", 50.0), ("ms", 20.0)])
def test_the_share_of_the_peak_comes_from_the_operations(unit, figure):
    bar = Bar("at least 70% of the machine's peak", peak_share=0.7)
    workload = Workload("made_up", "made up", unit, SIDES[:1], (bar,), flops=1.5e9)
    found = Outcome(workload, {"dovetail": Measured([figure])}, 1, "", machine_peak=Measured([100.0]))
    assert found.peak_share("dovetail") == pytest.approx(0.75)
    (verdict,) = judge(found)
    assert verdict.met and verdict.detail == "75% of the peak, bar 70%"
    assert rows(found)[0][-1] == "75%"
    assert as_json([found], {})["workloads"]["made_up"]["machine_peak"] == [100.0]
    (verdict,) = judge(Outcome(workload, found.sides, 1, ""))
    assert verdict.met is None


def test_bars_of_several_peers_take_the_best():
    workload = Workload(
        "made_up", "made up", "samples/s", SIDES, (Bar("", than=("torch", "tf_keras"), at_least=1.0),)
    )
    sides = {side.label: Measured([speed]) for side, speed in zip(SIDES, (100, 80, 110), strict=True)}
    (verdict,) = judge(Outcome(workload, sides, 1, ""))
    assert not verdict.met and verdict.detail == "0.91x tf_keras, bar 1x"


def test_operations_of_known_networks():
    assert flops.resnet50(224) == pytest.approx(7.72e9, rel=0.01)  # 3.86e9 multiplications
    assert flops.convolution(10, (3, 3, 4, 8)) == 10 * 3 * 3 * 4 * 8 * 2
    assert flops.trained(1.0, 2.0) == 8.0
