"""What is typed on a command line becomes what the API takes, or is refused with the manner it should have."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import typer

from horarium.clock import utc_now
from horarium.commands.arguments import duration, every, future, instant, parameter, parameters, past, rate, whole

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("30s", {"seconds": 30}),
        ("5m", {"minutes": 5}),
        ("1d2h30m", {"days": 1, "hours": 2, "minutes": 30}),
        ("90", {"seconds": 90}),
        (" 1H ", {"hours": 1}),
        ("1m1.5s", {"minutes": 1, "seconds": 1.5}),
    ],
)
def test_an_interval_keeps_the_units_it_was_given_in(text: str, units: dict[str, float]) -> None:
    assert every(text) == units


@pytest.mark.parametrize("text", ["", "5", "5m", "1d2h30m", "0.5s"])
def test_a_duration_is_the_seconds_of_the_same_interval(text: str) -> None:
    expected = {"5": 5, "5m": 300, "1d2h30m": 95_400, "0.5s": 0.5}
    if not text:
        with pytest.raises(typer.BadParameter):
            duration(text)
        return
    assert duration(text) == expected[text]


@pytest.mark.parametrize("text", ["", "s", "3x", "-5m", "1h1h", "30m1h", "1.5h", "٣s", "1 h", "9" * 400 + "d"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="such as 30s, 5m or 1d2h30m"):
        duration(text)


def test_what_counts_whole_seconds_takes_no_parts_of_one() -> None:
    assert whole("2m") == 120
    with pytest.raises(typer.BadParameter, match="whole seconds"):
        whole("0.5s")


@pytest.mark.parametrize(
    ("text", "many", "seconds"), [("10/m", 10, 60), ("2/s", 2, 1), (" 5 / h ", 5, 3600), ("100/15m", 100, 900)]
)
def test_a_rate_is_how_many_in_how_many_seconds(text: str, many: int, seconds: int) -> None:
    assert rate(text) == (many, seconds)


@pytest.mark.parametrize("text", ["", "10", "10/", "/m", "ten/m", "-1/m", "1.5/m", "10/fortnight", f"{'9' * 13}/m"])
def test_what_is_no_rate_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="must be a"):
        rate(text)


def test_an_instant_has_an_offset() -> None:
    assert instant("2030-01-31T09:00:00Z") == "2030-01-31T09:00:00+00:00"
    assert instant("2030-01-31 09:00:00+01:00") == "2030-01-31T09:00:00+01:00"


@pytest.mark.parametrize(("text", "said"), [("tomorrow", "must be an instant"), ("2030-01-31T09:00:00", "offset")])
def test_what_is_no_instant_is_refused(text: str, said: str) -> None:
    with pytest.raises(typer.BadParameter, match=said):
        instant(text)


@pytest.mark.parametrize(("reader", "hours"), [(past, -2), (future, 2)])
def test_an_instant_may_be_told_by_its_distance(reader: Callable[[str], str], hours: int) -> None:
    expected = utc_now() + timedelta(hours=hours)

    assert abs(datetime.fromisoformat(reader("2h")) - expected) < timedelta(minutes=1)
    assert reader("2030-01-31T09:00:00Z") == "2030-01-31T09:00:00+00:00"


def test_a_distance_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="beyond the calendar"):
        past("99999999d")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("key=value", "value"),
        ("key=5", 5),
        ("key=true", True),
        ('key={"a": [1]}', {"a": [1]}),
        ('key="5"', "5"),
        ("key=", ""),
        ("key=a=b", "a=b"),
        ("key=NaN", "NaN"),
        ("key=2030-01-31", "2030-01-31"),
    ],
)
def test_a_parameter_is_json_where_it_can_be_and_text_where_it_cannot(text: str, value: Any) -> None:
    assert parameter(text) == ("key", value)


@pytest.mark.parametrize("text", ["key", "=value", ""])
def test_a_parameter_without_a_key_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="key=value"):
        parameter(text)


@pytest.mark.parametrize("text", ["[1]", "{", "null", '{"a": NaN}'])
def test_parameters_are_a_json_object(text: str) -> None:
    assert parameters('{"a": 1}') == {"a": 1}
    with pytest.raises(typer.BadParameter, match="must be a JSON object"):
        parameters(text)
