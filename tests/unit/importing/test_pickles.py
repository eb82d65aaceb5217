"""A pickle is read for its values, and nothing that it asks for is done."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger

from horarium.importing.carrying import CannotCarry
from horarium.importing.pickles import StandIn, unpickled

PLAIN = {
    "texts": ("a", b"b", None, True),
    "numbers": [1, 2.5, Decimal("1.5")],
    "times": [datetime(2027, 1, 1, tzinfo=UTC), date(2027, 1, 1), timedelta(hours=1)],
    "zone": ZoneInfo("Europe/Paris"),
    "sets": {1, 2},
}


class Attack:
    """Pickles to a call of what it was made with."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_are_read_whatever_the_protocol(protocol: int) -> None:
    assert unpickled(pickle.dumps(PLAIN, protocol)) == PLAIN


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_trigger_is_a_stand_in_with_its_state(protocol: int) -> None:
    trigger = CronTrigger(hour=5, timezone=ZoneInfo("Europe/Paris"))

    read = unpickled(pickle.dumps(trigger, protocol))

    assert isinstance(read, StandIn)
    assert (read.kind, read.timezone) == ("CronTrigger", ZoneInfo("Europe/Paris"))
    assert not isinstance(read, CronTrigger)


@pytest.mark.parametrize(
    "attack",
    [
        Attack(eval, "1/0"),
        Attack(exec, "1/0"),
        Attack(__import__, "os"),
        Attack(getattr, ZoneInfo, "from_file"),
        Attack(getattr, datetime, "now"),
        Attack(pickle.loads, b""),
    ],
    ids=lambda attack: attack.call[0].__name__ + str(attack.call[1][-1]),
)
def test_nothing_that_is_not_on_the_list_is_called(attack: Attack) -> None:
    with pytest.raises(CannotCarry, match=r"cannot be read: its pickle (needs|asks)"):
        unpickled(pickle.dumps({"args": [attack]}))


def test_the_importer_of_apscheduler_itself_is_not_on_the_list() -> None:
    with pytest.raises(CannotCarry, match=r"needs apscheduler\.util\.ref_to_obj"):
        unpickled(b"capscheduler.util\nref_to_obj\n(Vos:system\ntR.")


@pytest.mark.parametrize("broken", [b"\x80", b"\x80\x05}", b"\x80\x05K\x01R.", b"\x80\x05\x8c\x05a"])
def test_a_broken_pickle_is_no_more_than_an_entry_that_cannot_be_read(broken: bytes) -> None:
    with pytest.raises(CannotCarry, match="its pickle is broken"):
        unpickled(broken)


def test_state_that_is_missing_is_said_by_its_name() -> None:
    trigger = unpickled(b"\x80\x02capscheduler.triggers.date\nDateTrigger\n)\x81.")

    with pytest.raises(CannotCarry, match="its DateTrigger has no run_date"):
        _ = trigger.run_date
