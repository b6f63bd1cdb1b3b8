"""Judges the bars of a workload against its figures."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.kinds import Bar
from benchmarks.runner import Outcome

MOST_SHOWN = 12


@dataclass(frozen=True)
class Verdict:
    """Whether a bar is met.

    Args:
        bar: the bar.
        met: None where a figure is missing.
        detail: the figures that decided.
    """

    bar: Bar
    met: bool | None
    detail: str

    @property
    def word(self) -> str:
        """The verdict in a word or two."""
        return {True: "met", False: "NOT MET", None: "not measured"}[self.met]


def judge(outcome: Outcome) -> list[Verdict]:
    """Judge every bar of the workload."""
    return [_judge_bar(outcome, bar) for bar in outcome.workload.bars]


def _judge_bar(outcome: Outcome, bar: Bar) -> Verdict:
    if bar.peak_share is not None:
        return _against_peak(outcome, bar, bar.peak_share)
    if bar.than is None:
        return _against_figure(outcome, bar)
    if bar.each_at_least is not None:
        return _of_parts(outcome, bar, bar.each_at_least)
    if bar.at_most is not None:
        return _against_peer_plus(outcome, bar, str(bar.than))
    if bar.than == "*":
        return _against_peers(outcome, bar, list(outcome.workload.peers))
    return _against_peers(outcome, bar, [bar.than] if isinstance(bar.than, str) else list(bar.than))


def _against_peak(outcome: Outcome, bar: Bar, at_least: float) -> Verdict:
    share = outcome.peak_share(bar.ours)
    if share is None:
        return Verdict(bar, None, _reason(outcome, [bar.ours]))
    return Verdict(bar, share >= at_least, f"{share:.0%} of the peak, bar {at_least:.0%}")


def _against_figure(outcome: Outcome, bar: Bar) -> Verdict:
    figure = _median(outcome, bar.ours)
    if figure is None or bar.at_most is None:
        return Verdict(bar, None, _reason(outcome, [bar.ours]))
    unit = outcome.workload.unit
    return Verdict(bar, figure <= bar.at_most, f"{figure:.3g} {unit}, bar {bar.at_most:g} {unit}")


def _against_peer_plus(outcome: Outcome, bar: Bar, peer: str) -> Verdict:
    figure, theirs = _median(outcome, bar.ours), _median(outcome, peer)
    if figure is None or theirs is None or bar.at_most is None:
        return Verdict(bar, None, _reason(outcome, [bar.ours, peer]))
    unit = outcome.workload.unit
    detail = f"{figure:.3g} {unit}, {peer} {theirs:.3g} {unit} + {bar.at_most:g}"
    return Verdict(bar, figure <= theirs + bar.at_most, detail)


def _against_peers(outcome: Outcome, bar: Bar, peers: list[str]) -> Verdict:
    ratio_to = outcome.memory_ratio if bar.of == "memory" else outcome.ratio
    ratios = {peer: ratio_to(peer, bar.ours) for peer in peers}
    known = {peer: ratio for peer, ratio in ratios.items() if ratio is not None}
    if len(known) < len(ratios) or bar.at_least is None:
        return Verdict(bar, None, _reason(outcome, [bar.ours, *peers]))
    best = min(known, key=lambda peer: known[peer])
    met = known[best] >= bar.at_least
    if bar.of == "memory":
        return Verdict(bar, met, f"{1 / known[best]:.2f}x {best}'s, bar {1 / bar.at_least:.3g}x")
    return Verdict(bar, met, f"{known[best]:.2f}x {best}, bar {bar.at_least:.3g}x")


def _of_parts(outcome: Outcome, bar: Bar, at_least: float) -> Verdict:
    peers = list(outcome.workload.peers) if bar.than == "*" else [str(bar.than)]
    if any(_median(outcome, label) is None for label in (bar.ours, *peers)):
        return Verdict(bar, None, _reason(outcome, [bar.ours, *peers]))
    ratios = outcome.part_ratios(peers, bar.ours)
    worst = sorted(ratios, key=lambda name: ratios[name])
    below = [name for name in worst if ratios[name] < at_least]
    shown = ", ".join(f"{name} {ratios[name]:.2f}x" for name in worst[:MOST_SHOWN])
    detail = f"{len(below)} of {len(ratios)} below {at_least:g}x; the worst: {shown}"
    return Verdict(bar, bool(ratios) and not below, detail)


def _median(outcome: Outcome, label: str) -> float | None:
    side = outcome.sides.get(label)
    return side.median if side is not None else None


def _reason(outcome: Outcome, labels: list[str]) -> str:
    missing = [label for label in labels if _median(outcome, label) is None]
    return "no figure for " + ", ".join(missing)
