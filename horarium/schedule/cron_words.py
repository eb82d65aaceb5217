"""A cron expression in words: "Every weekday at 09:30".

The words are made of what the expression means, not of how it is written: of the sets that CronSim reads out of it, and
of Debian's rule for its two fields of days. So `0 9 1-31 * MON`, which matches every day since neither field begins
with a star, is not said to run on Mondays; `7` and `SUN` are the same day; and equal timetables have equal words.
Different ones have different words: what is left out of a list can be told from its beginning (`0, 7, 14 … 56`).

Why no library makes them: docs/decisions/0054.
"""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import TYPE_CHECKING, NamedTuple

from cronsim import CronSim

from horarium.schedule.cron import compile_cron

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from horarium.schedule.cron import Timetable

__all__ = ["MONTHS", "WEEKDAYS", "cron_words", "is_every_minute", "joined"]

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", CronSim.LAST: "last"}
MOST_TIMES = 4
"""So many times of day are told one by one."""

SHORTEST_RUN = 3
SHORTEST_PROGRESSION = 5
EVERY_DAY = "every day"


def cron_words(expression: str) -> str:
    """`Every 5 minutes from 09:00 to 17:55, every weekday`: without the zone. Raises CronSimError."""
    cron = compile_cron(expression)
    dates, times = _dates(cron.days), _times(cron.times)
    if times.startswith("at ") and " of " not in times:
        words = f"{dates}, {times}" if ", and " in dates or ", if " in dates else f"{dates} {times}"
    else:
        words = times if dates == EVERY_DAY else f"{times}, {dates}"
    return words[0].upper() + words[1:]


def is_every_minute(expression: str) -> bool:
    """Whether there are ticks in each minute of each day, so that no zone makes a difference."""
    cron = compile_cron(expression)
    return len(cron.times.hours) == 24 and len(cron.times.minutes) == 60 and _dates(cron.days) == EVERY_DAY


def joined(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


# Times of day


def _times(times: Timetable) -> str:
    if len(times.hours) * len(times.minutes) * len(times.seconds) <= MOST_TIMES:
        each = ((h, m, s) for h in times.hours for m in times.minutes for s in times.seconds)
        return f"at {joined([_clock(*time, to_the_second=times.seconds != (0,)) for time in each])}"
    return _to_the_minute(times) if times.seconds == (0,) else _to_the_second(times)


def _to_the_minute(times: Timetable) -> str:
    hours, minutes = times.hours, times.minutes
    every = _every(minutes, "minute")
    if every:
        if len(hours) == 24:
            return every
        if _step(hours) == 1:
            return f"{every} from {_clock(hours[0], minutes[0])} to {_clock(hours[-1], minutes[-1])}"
        return f"{every} in the hours {_listed(hours)}"
    past = _listed(minutes, lambda minute: f":{minute:02}")
    if len(hours) == 24:
        return "every hour" if minutes == (0,) else f"every hour at {past}"
    step = _step(hours)
    if step and len(minutes) == 1:
        each = "every hour" if step == 1 else f"every {step} hours"
        return f"{each} from {_clock(hours[0], minutes[0])} to {_clock(hours[-1], minutes[0])}"
    return f"in the {_numbered('hour', hours)} at {past}"


def _to_the_second(times: Timetable) -> str:
    hours, minutes, seconds = times.hours, times.minutes, times.seconds
    all_minutes, all_hours = len(minutes) == 60, len(hours) == 24
    every = _every(seconds, "second")
    if all_minutes and all_hours:
        return every or f"every minute at {_numbered('second', seconds)}"
    if every and ((all_minutes and _step(hours) == 1) or (len(hours) == 1 and _step(minutes) == 1)):
        first = _clock(hours[0], minutes[0], seconds[0], to_the_second=True)
        return f"{every} from {first} to {_clock(hours[-1], minutes[-1], seconds[-1], to_the_second=True)}"
    which = every or f"at {_numbered('second', seconds)}"
    in_minutes = "every minute" if all_minutes else _numbered("minute", minutes)
    return f"{which} of {in_minutes} of {'every hour' if all_hours else _numbered('hour', hours)}"


def _every(values: Sequence[int], unit: str) -> str:
    """`every 5 minutes`, where the hour begins with one and the next hour comes as far after the last; or nothing."""
    step = 60 // len(values)
    if tuple(values) != tuple(range(0, 60, step)) or 60 % step or len(values) == 1:
        return ""
    return f"every {unit}" if step == 1 else f"every {step} {unit}s"


def _clock(hour: int, minute: int, second: int = 0, *, to_the_second: bool = False) -> str:
    return f"{hour:02}:{minute:02}:{second:02}" if to_the_second else f"{hour:02}:{minute:02}"


# Dates


class _Chosen(NamedTuple):
    """Days of the week, from 0 for Monday, and those of some week of the month; `every` where none is left out."""

    plain: tuple[int, ...]
    nth: tuple[tuple[int, tuple[int, ...]], ...]

    @property
    def every(self) -> bool:
        return len(self.plain) == len(WEEKDAYS)


def _dates(days: CronSim) -> str:
    """Debian's rule: where one of the two fields begins with a star both must match, otherwise either."""
    of_month = sorted(day for day in days.days if day > 0)
    every_date = len(of_month) == 31
    chosen = _chosen(days.weekdays)
    months = tuple(sorted(days.months))
    if (every_date and chosen.every) or (not days.day_and and (every_date or chosen.every)):
        return EVERY_DAY if len(months) == len(MONTHS) else f"{EVERY_DAY} {_within(months)}"
    if every_date:
        return _weekdays(chosen, months)
    dates = _days_of_month(of_month, days.days, months)
    if chosen.every:
        return dates
    return f"{dates}, if it is {_one_of(chosen)}" if days.day_and else f"{dates}, and {_weekdays(chosen, months)}"


def _chosen(weekdays: Iterable[int | tuple[int, int]]) -> _Chosen:
    plain = {(day - 1) % 7 for day in weekdays if isinstance(day, int)}
    pairs = {((each[0] - 1) % 7, each[1]) for each in weekdays if isinstance(each, tuple)}
    others = sorted((each for each in pairs if each[0] not in plain), key=_in_a_month)
    by_day = {day: tuple(nth for _, nth in group) for day, group in groupby(others, key=lambda each: each[0])}
    return _Chosen(tuple(sorted(plain)), tuple(by_day.items()))


def _in_a_month(chosen: tuple[int, int]) -> tuple[int, bool, int]:
    """By the day of the week, its last one last."""
    day, nth = chosen
    return day, nth == CronSim.LAST, nth


def _days_of_month(numbers: Sequence[int], special: Iterable[int], months: Sequence[int]) -> str:
    if len(numbers) == len(set(special)) == len(months) == 1:
        return f"on {numbers[0]} {MONTHS[months[0] - 1]}"
    said = [_numbered("day", numbers)] if numbers else []
    said += ["the last day"] if CronSim.LAST in special else []
    said += ["the last weekday"] if CronSim.LAST_WEEKDAY in special else []
    return f"on {joined(said)} {_of(months)}"


def _weekdays(chosen: _Chosen, months: Sequence[int]) -> str:
    said = []
    if chosen.plain:
        every = _plain(chosen.plain)
        named = every if " to " in every else f"every {every}"
        said.append(named if len(months) == len(MONTHS) else f"{named} {_within(months)}")
    if chosen.nth:
        said.append(f"on {joined([_nth(*each) for each in chosen.nth])} {_of(months)}")
    return ", and ".join(said)


def _one_of(chosen: _Chosen) -> str:
    plain = _plain(chosen.plain, "or") if chosen.plain else ""
    said = [plain if " to " in plain else f"a {plain}"] if plain else []
    return joined([*said, *(_nth(*each) for each in chosen.nth)], "or")


def _plain(days: Sequence[int], last: str = "and") -> str:
    if tuple(days) == tuple(range(5)):
        return "weekday"
    if _step(days) == 1 and len(days) >= SHORTEST_RUN:
        return f"{WEEKDAYS[days[0]]} to {WEEKDAYS[days[-1]]}"
    return joined([WEEKDAYS[day] for day in days], last)


def _nth(day: int, which: Sequence[int]) -> str:
    return f"the {joined([ORDINALS[each] for each in which])} {WEEKDAYS[day]}"


def _months(months: Sequence[int]) -> str:
    return _listed(months, lambda month: MONTHS[month - 1], shortest=len(MONTHS))


def _within(months: Sequence[int]) -> str:
    named = _months(months)
    return f"from {named}" if " to " in named and " and " not in named else f"in {named}"


def _of(months: Sequence[int]) -> str:
    return "of every month" if len(months) == len(MONTHS) else f"of {_months(months)}"


# Numbers


def _numbered(unit: str, values: Sequence[int]) -> str:
    return f"{unit} {values[0]}" if len(values) == 1 else f"{unit}s {_listed(values)}"


def _listed(values: Sequence[int], word: Callable[[int], str] = str, *, shortest: int = SHORTEST_PROGRESSION) -> str:
    """`1 to 5, 9 and 12`, or `0, 7, 14 … 56` where all of them, and so many, are equally far apart."""
    if (_step(values) or 0) > 1 and len(values) >= shortest:
        return f"{', '.join(map(word, values[:3]))} … {word(values[-1])}"
    said: list[str] = []
    for _, group in groupby(enumerate(values), key=lambda each: each[1] - each[0]):
        run = [value for _, value in group]
        said += [f"{word(run[0])} to {word(run[-1])}"] if len(run) >= SHORTEST_RUN else map(word, run)
    return joined(said)


def _step(values: Sequence[int]) -> int | None:
    """How far the values are apart, where all are equally far; 1 for a single one."""
    steps = {following - value for value, following in pairwise(values)} or {1}
    return steps.pop() if len(steps) == 1 else None
