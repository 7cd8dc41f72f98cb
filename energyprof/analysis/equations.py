"""The equations behind the regression: one for each interval of which a sensor says the energy.

``energy = sum over phases (seconds in phase) x (watts of phase)``. They are kept as sums over blocks of
consecutive equations (``A'A``, ``A'y``, ``y'y``): enough to fit, to tell drift and to bootstrap, at a size
that does not grow with the run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from energyprof.analysis.arrays import NS, Bools, Floats, Ints, sum_by
from energyprof.analysis.design_matrix import row_chunks, seconds_in_phases, segment_at
from energyprof.analysis.power_curve import PowerCurve
from energyprof.analysis.refreshes import Refreshes
from energyprof.record.trace import Segments

__all__ = ["Equations", "Intervals", "counter_intervals", "equations", "merged", "power_intervals"]

MOST_BLOCKS: Final = 160
SHARP_S: Final = 1e-3  # half a bracket this narrow moves less time than a phase lasts
SHARPEST_S: Final = 1e-4  # the same where there are few equations, and each can be worked out with more care
FEW: Final = 20_000
SPREAD: Final = (-0.8, -0.4, 0.0, 0.4, 0.8)  # middles of fifths of a bracket
LEAST_BLOCK: Final = 3  # refreshes: an error in the time of a refresh touches two neighbours


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Intervals of time whose energy a sensor says.

    Attributes:
        start_s: (n,) non-decreasing.
        end_s: (n,) after ``start_s``.
        energy_j: (n,).
        start_half_s: (n,) how far its start may lie from ``start_s``, either way.
        end_half_s: (n,) how far its end may lie from ``end_s``.
        memory: how many neighbours an interval overlaps with.
        tied: whether both ends of an interval err alike: the window before one refresh.
    """

    start_s: Floats
    end_s: Floats
    energy_j: Floats
    start_half_s: Floats
    end_half_s: Floats
    memory: int = 0
    tied: bool = False

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.start_s)

    @property
    def time_variance_s2(self) -> Floats:
        """Return (n,) the variance of each length, its ends equally likely anywhere in their brackets."""
        variance: Floats = (self.start_half_s**2 + self.end_half_s**2) / 3
        return variance

    def later(self, delay_s: float) -> Intervals:
        """Return the same energies over intervals that are all so much later."""
        return replace(self, start_s=self.start_s + delay_s, end_s=self.end_s + delay_s)

    def inside(self, open_s: float, close_s: float) -> Intervals:
        """Return those that lie inside a window of time."""
        kept = (self.start_s >= open_s) & (self.end_s <= close_s)
        return replace(
            self,
            start_s=self.start_s[kept],
            end_s=self.end_s[kept],
            energy_j=self.energy_j[kept],
            start_half_s=self.start_half_s[kept],
            end_half_s=self.end_half_s[kept],
        )


def counter_intervals(refreshes: Refreshes) -> Intervals:
    """Return the intervals between refreshes that no gap lies in."""
    at = refreshes.at_s
    kept = ~refreshes.gap & (np.diff(at) > 0)
    half = np.sqrt(3) * refreshes.at.deviation_s
    return Intervals(
        start_s=at[:-1][kept],
        end_s=at[1:][kept],
        energy_j=refreshes.energy_j[kept],
        start_half_s=half[:-1][kept],
        end_half_s=half[1:][kept],
    )


def power_intervals(power: PowerCurve) -> Intervals:
    """Return the averaging windows of power readings: the sensor's own kernel."""
    at = power.at_s
    half = np.sqrt(3) * power.at.deviation_s
    return Intervals(
        start_s=at - power.window_s,
        end_s=at,
        energy_j=power.power_w * power.window_s,
        start_half_s=half,
        end_half_s=half,
        memory=int(np.ceil(power.window_s / power.refresh_s)) if power.moving_mean else 0,
        tied=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Equations:
    """Weighted equations, summed over blocks.

    Columns ``0 .. p - 1`` of ``A`` are the seconds in each phase, columns ``p .. 2 p - 1`` how these change a
    second as the interval moves later: plus one for the phase at its end, minus one for that at its start.

    Attributes:
        gram: (b, 2 p, 2 p) ``A' W A`` of each block.
        moment: (b, 2 p) ``A' W y``.
        square: (b,) ``y' W y``, in J^2.
        seconds: (b, p) time in each phase.
        energy_j: (b,) energy.
        start_s: (b,) when each block begins.
        vague_s2: (p,) sum over intervals of the variance of their ends, by the phase that these fall into.
        rows: how many equations there are.
        length_s: the mean length of an interval.
        time_variance_s2: the median variance of an interval's length.
    """

    gram: Floats
    moment: Floats
    square: Floats
    seconds: Floats
    energy_j: Floats
    start_s: Floats
    vague_s2: Floats
    rows: int
    length_s: float
    time_variance_s2: float

    def of_phases(self, present: Bools) -> Equations:
        """Return the equations with the columns of some phases only."""
        both = np.concatenate([present, present])
        return replace(
            self,
            gram=self.gram[:, both][:, :, both],
            moment=self.moment[:, both],
            seconds=self.seconds[:, present],
            vague_s2=self.vague_s2[present],
        )

    def moved(self, delay_s: float) -> tuple[Floats, Floats]:
        """Return (b, p, p) Gram matrix and (b, p) moment of the intervals moved later, to first order."""
        p = self.seconds.shape[1]
        cross = self.gram[:, :p, p:]
        gram = self.gram[:, :p, :p] + delay_s * (cross + cross.transpose(0, 2, 1))
        moment: Floats = self.moment[:, :p] + delay_s * self.moment[:, p:]
        return gram + delay_s**2 * self.gram[:, p:, p:], moment


def merged(first: Equations, second: Equations, weight: float) -> Equations:
    """Put two systems of equations together; those of the second weigh ``weight`` times theirs."""
    return Equations(
        gram=np.concatenate([first.gram, weight * second.gram]),
        moment=np.concatenate([first.moment, weight * second.moment]),
        square=np.concatenate([first.square, weight * second.square]),
        seconds=np.concatenate([first.seconds, second.seconds]),
        energy_j=np.concatenate([first.energy_j, second.energy_j]),
        start_s=np.concatenate([first.start_s, second.start_s]),
        vague_s2=first.vague_s2 + weight * second.vague_s2,
        rows=first.rows + second.rows,
        length_s=first.length_s,
        time_variance_s2=first.time_variance_s2,
    )


def equations(intervals: Intervals, segments: Segments) -> Equations | None:
    """Sum up the equations of intervals inside the segments; None where there are none.

    An interval whose ends are known badly, or that is longer than the others, weighs less.
    """
    intervals = intervals.inside(float(segments.start_ns[0]) * NS, segments.end_ns * NS)
    count, phases = len(intervals), len(segments.phases)
    if not count:
        return None
    block = _blocks(intervals)
    blocks = int(block[-1]) + 1
    weight, places = _weights(intervals), _places(intervals, segments)
    gram, moment = np.zeros((blocks, 2 * phases, 2 * phases)), np.zeros((blocks, 2 * phases))
    spent = np.zeros((blocks, phases))
    for rows in row_chunks(*places):
        here = (places[0][rows], places[1][rows])
        seconds = _expected_seconds(intervals, rows, segments, here)
        matrix = np.concatenate([seconds, _change(segments, here)], axis=1)
        _add_up(matrix, intervals.energy_j[rows], weight[rows], block[rows], (gram, moment, spent))
    return Equations(
        gram=gram,
        moment=moment,
        square=sum_by(block, weight * intervals.energy_j**2, blocks),
        seconds=spent,
        energy_j=sum_by(block, intervals.energy_j, blocks),
        start_s=intervals.start_s[np.searchsorted(block, np.arange(blocks))],
        vague_s2=_vague(intervals, weight, segments, places),
        rows=count,
        length_s=float((intervals.end_s - intervals.start_s).mean()),
        time_variance_s2=float(np.median(intervals.time_variance_s2)),
    )


def _places(intervals: Intervals, segments: Segments) -> tuple[Ints, Ints]:
    """Return the segments that intervals begin and end in."""
    last = len(segments.phase) - 1
    if np.array_equal(intervals.start_s[1:], intervals.end_s[:-1]):
        ends = np.append(intervals.start_s, intervals.end_s[-1])
        at = np.clip(segment_at(segments, ends), 0, last)
        return at[:-1], at[1:]
    begins, ends = segment_at(segments, intervals.start_s), segment_at(segments, intervals.end_s)
    return np.clip(begins, 0, last), np.clip(ends, 0, last)


def _expected_seconds(
    intervals: Intervals, rows: slice, segments: Segments, places: tuple[Ints, Ints]
) -> Floats:
    """Return (n, p) the expected seconds in each phase, over where the ends of the intervals may lie.

    Ends known well are taken as they are. Others are spread over their brackets: the mean over
    these, not the middle, is what makes the fit unbiased (J. Berkson, JASA 45 (1950) 164).
    """
    start, end = intervals.start_s[rows], intervals.end_s[rows]
    early, late = intervals.start_half_s[rows], intervals.end_half_s[rows]
    sharp = SHARP_S if len(intervals) > FEW else SHARPEST_S
    if max(float(early.max()), float(late.max())) <= sharp:
        return seconds_in_phases(segments, start, end, places)
    total = np.zeros((len(start), len(segments.phases)))
    for place in SPREAD:
        total += seconds_in_phases(segments, start + place * early, end + place * late)
    return total / len(SPREAD)


def _change(segments: Segments, places: tuple[Ints, Ints]) -> Floats:
    """Return (n, p) by how much the seconds in each phase change a second as the intervals move later."""
    begins, ends = places
    change = np.zeros((len(begins), len(segments.phases)))
    row = np.arange(len(change))
    change[row, segments.phase[ends]] += 1.0
    change[row, segments.phase[begins]] -= 1.0
    return change


def _vague(intervals: Intervals, weight: Floats, segments: Segments, places: tuple[Ints, Ints]) -> Floats:
    """Return (p,) the weighted variance of the ends of intervals, by the phase that they fall into."""
    total = np.zeros(len(segments.phases))
    begins, ends = segments.phase[places[0]], segments.phase[places[1]]
    # A window that moves as a whole inside of one phase changes nothing.
    moves = (begins != ends) | (not intervals.tied)
    for phase, half in ((begins, intervals.start_half_s), (ends, intervals.end_half_s)):
        total += sum_by(phase, moves * weight * half**2 / 3, len(total))
    return total


def _blocks(intervals: Intervals) -> Ints:
    count = len(intervals)
    length = max(LEAST_BLOCK, 3 * intervals.memory, -(-count // MOST_BLOCKS))
    return np.minimum(np.arange(count) // length, max(count // length - 1, 0)).astype(np.int64)


def _weights(intervals: Intervals) -> Floats:
    variance, length = intervals.time_variance_s2, intervals.end_s - intervals.start_s
    usual, usual_length = max(float(np.median(variance)), 1e-12), float(np.median(length))
    by_ends = 2 * usual / (np.maximum(variance, usual) + usual)
    weights: Floats = by_ends * usual_length / np.maximum(length, usual_length)
    return weights


def _add_up(
    matrix: Floats, energy: Floats, weight: Floats, block: Ints, sums: tuple[Floats, Floats, Floats]
) -> None:
    gram, moment, spent = sums
    first = np.flatnonzero(np.concatenate([[True], block[1:] != block[:-1]]))
    weighted = matrix * weight[:, None]
    moment[block[first]] += np.add.reduceat(weighted * energy[:, None], first, axis=0)
    spent[block[first]] += np.add.reduceat(matrix[:, : spent.shape[1]], first, axis=0)
    for begin, end in zip(first, np.append(first[1:], len(block)), strict=True):
        gram[block[begin]] += weighted[begin:end].T @ matrix[begin:end]
