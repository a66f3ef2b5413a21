"""Charts, filters, and revenue of the results page."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from widget.domain.orders.attribution import quiz_had_part
from widget.storage.figures import Ordered
from widget.web.console.results import charts
from widget.web.console.results.filter import Wanted
from widget.web.console.results.money import money_of

TODAY = date(2026, 3, 31)
MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(("most", "top"), [(0, 2), (1, 2), (7, 8), (9, 10), (212, 240), (251, 300), (8_001, 10_000)])
def test_chart_axis_ends_at_a_round_number_just_above_the_maximum(most: int, top: int) -> None:
    assert charts.round_top(most) == top


def test_line_chart_spans_the_width_and_marks_its_peak() -> None:
    line = charts.line([5, 20, 10], [4, 4, 4])

    assert line.now.startswith("M0 ")
    assert "L100 " in line.now
    assert line.now.count("L") == line.before.count("L") == 2
    assert (line.peak, line.peak_x, line.peak_y) == (20, 50.0, charts.LINE_TOP)
    assert [tick.text for tick in line.ticks] == ["0", "10", "20"]


def test_line_chart_of_one_day_is_level_and_has_no_previous_period() -> None:
    line = charts.line([3])

    assert line.now == "M0 33L100 33"
    assert line.before == ""


def test_bar_of_a_small_nonzero_value_has_a_minimum_width() -> None:
    assert charts.width(1, 100_000) == 0.6
    assert charts.width(0, 10) == 0.0
    assert charts.width(10, 10) == 100.0


def test_column_chart_fills_its_width_and_height() -> None:
    columns = charts.columns([0, 5, 10])

    assert [column.height for column in columns] == [0, 66, charts.COLUMN_HEIGHT]
    assert columns[-1].x + columns[-1].width < 100
    assert columns[1].middle == pytest.approx(50, abs=0.2)


def test_edited_dates_override_the_period_filter() -> None:
    form = {"period": "7", "from": "2026-03-02", "to": "2026-03-31", "shown": "2026-03-02/2026-03-31", "against": "1"}

    week = Wanted.of(form, TODAY)
    own = Wanted.of({**form, "from": "2026-03-20"}, TODAY)

    assert (week.period, week.first, week.last, week.days) == ("7", date(2026, 3, 25), TODAY, 7)
    assert (own.period, own.first, own.before) == ("own", date(2026, 3, 20), date(2026, 3, 8))


def test_invalid_filter_values_fall_back_to_defaults() -> None:
    odd = Wanted.of({"period": "x", "from": "0001-01-01", "to": "soon", "version": "-1", "by": "name"}, TODAY)
    turned = Wanted.of({"period": "own", "from": "2026-03-10", "to": "2026-03-01"}, TODAY)

    assert (odd.period, odd.days, odd.version, odd.by, odd.against) == ("30", 30, None, "day", True)
    assert (turned.first, turned.days) == (date(2026, 3, 1), 10)


@pytest.mark.parametrize(
    ("days", "bought", "part"),
    [
        (0, "A", True),
        (7, "A", True),
        (7.01, "A", False),
        (3, "B", False),
        (30, "B", False),
        (30.01, "A", None),
        (-1, "A", True),
    ],
)
def test_direct_attribution_needs_a_shown_product_within_7_days_and_assisted_any_within_30(
    days: float, bought: str, part: bool | None
) -> None:
    assert quiz_had_part(MOMENT, MOMENT + timedelta(days=days), shown=["A"], bought=[bought]) is part


def test_revenue_is_net_of_refunds_and_separate_by_currency() -> None:
    rows = [
        Ordered("USD", True, False, 2, 5_000),
        Ordered("USD", True, True, 1, 2_000),
        Ordered("USD", False, False, 1, 9_000),
        Ordered("EUR", True, False, 1, 100),
    ]

    dollars, euros = money_of(rows, completed=10, seen=100)

    assert (dollars.direct.net, dollars.direct.refunded, dollars.direct.orders) == (5_000, 2_000, 3)
    assert (dollars.assisted.net, dollars.assisted.orders) == (14_000, 4)
    assert dollars.text(1_400_000) == "$14,000"
    assert euros.direct.net == 100
    assert ("completed quiz", "$5.00", "$14.00") in dollars.each
