"""Geometry of charts: x in percent of the width, y in pixels, so that text keeps its size at any width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LINE_TOP, LINE_HEIGHT = 20, 132
COLUMN_TOP, COLUMN_HEIGHT = 18, 132


@dataclass(frozen=True, slots=True)
class Tick:
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line over days. Its paths are in a box of 100 by LINE_HEIGHT that stretches to the full width."""

    now: str
    before: str
    area: str
    ticks: tuple[Tick, ...]
    peak_x: float
    peak_y: float
    peak: int
    label_x: float
    label_y: float


@dataclass(frozen=True, slots=True)
class Column:
    x: float
    width: float
    y: float
    height: float

    @property
    def middle(self) -> float:
        return round(self.x + self.width / 2, 1)


def round_top(most: float) -> int:
    """Return the end of an axis with two even steps (2, 4 … 10, 12, 16, 20, 24, 30 …), at least ``most``."""
    for small in (2, 4, 6, 8):
        if small >= most:
            return small
    step = 1
    while True:
        for factor in (10, 12, 16, 20, 24, 30, 40, 50, 60, 80):
            if step * factor >= most:
                return step * factor
        step *= 10


def share(part: float, whole: float) -> float:
    """Return a share in percent; 0 if the whole is 0."""
    return round(100 * part / whole, 2) if whole else 0.0


def width(part: float, most: float) -> float:
    """Return the length of a bar in percent; a nonzero bar is long enough to be seen."""
    return min(100.0, max(share(part, most), 0.6)) if part and most else 0.0


def line(now: Sequence[int], before: Sequence[int] = ()) -> Line:
    """Return the chart of numbers by day, with those of the previous period behind them if there are any."""
    top = round_top(max([*now, *before, 1]))
    points, earlier = _points(now, top), _points(before, top)
    peak = max(range(len(now)), key=lambda at: now[at])
    label_x, label_y = _label_spot(earlier, points)
    return Line(
        now=_path(points),
        before=_path(earlier),
        area=f"{_path(points)}L100 {LINE_HEIGHT}L0 {LINE_HEIGHT}Z",
        ticks=tuple(Tick(LINE_TOP + LINE_HEIGHT * (1 - part), f"{round(top * part):,}") for part in (0, 0.5, 1)),
        peak_x=points[peak][0],
        peak_y=LINE_TOP + points[peak][1],
        peak=now[peak],
        label_x=label_x,
        label_y=LINE_TOP + label_y,
    )


def day_x(at: int, days: int) -> float:
    """Return the x position of a day among ``days``."""
    return round(100 * at / (days - 1), 2) if days > 1 else 50.0


def _points(numbers: Sequence[int], top: int) -> list[tuple[float, float]]:
    if len(numbers) == 1:
        numbers = [numbers[0], numbers[0]]  # A single day is drawn as a level line.
    return [(day_x(at, len(numbers)), round(LINE_HEIGHT * (1 - n / top), 1)) for at, n in enumerate(numbers)]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points) if points else ""


def _label_spot(earlier: Sequence[tuple[float, float]], now: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return a spot below both lines at about two thirds of the width: the label must not overlap either."""
    if not earlier:
        return 0.0, 0.0
    at = 2 * len(earlier) // 3
    near = [*earlier[max(0, at - 4) : at + 5], *now[max(0, at - 4) : at + 5]]
    return earlier[at][0], min(max(y for _, y in near) + 18, LINE_HEIGHT - 6)


def columns(numbers: Sequence[int]) -> list[Column]:
    """Return vertical bars side by side, the highest with the full height."""
    most, room = max([*numbers, 1]), 100 / max(len(numbers), 1)
    found = []
    for at, number in enumerate(numbers):
        height = round(COLUMN_HEIGHT * number / most)
        x = round(at * room + room * 0.09, 1)
        found.append(Column(x, round(room * 0.82, 1), COLUMN_TOP + COLUMN_HEIGHT - height, height))
    return found
