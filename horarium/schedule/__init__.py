"""When is a config due: pure arithmetic over schedules, with the clock always passed in.

Nothing here reads a clock, a socket or a database, so every decision of the dispatcher can be replayed in a test.
All instants are aware UTC; a zone lives in the schedule that needs one. Cron ticks fall on whole seconds.

A schedule is one of four kinds (`Schedule`), made from a stored config by `parse_schedule`. `next_tick` and
`ticks_between` say when it is due, `plan` says what to do with ticks that were not run in time. A config that
cannot be understood raises `ScheduleError`, which names the field and the remedy; "no such tick" is None, never an
error.

Daylight saving, by the rules of Debian's cron:

* a cron is *fixed* when neither its minute nor its hour field starts with `*` (`30 2 * * *`, `0 1-5 * * *`), and
  *wildcard* otherwise (`*/15 2 * * *`, `30 * * * *`); a seconds field does not change which of the two it is;
* local times that a zone skips run a fixed cron once, at the first instant after the gap; a wildcard cron has no
  tick there;
* local times that a zone repeats run a fixed cron in the first pass only; a wildcard cron runs in both, as the
  real time that passes;
* an interval counts elapsed seconds from its anchor and knows no zone;
* a naive `run_date` in a gap means the first instant after it, a repeated one means the first pass.

Jitter puts off when a tick fires, by a share of it that is the config's and the tick's own, and never which tick it is
(`horarium.schedule.jitter`). What is said of ticks here is said of the ticks themselves: `start_at`, `end_at`, an edit,
a stop or a pause take in the ticks whose own instant they take in. Ticks put off over a stop, or over the end of a
pause, are therefore skipped and say so; one put off over `end_at` fires. A tick whose jitter was made smaller after its
new instant to fire is late, and catch-up decides.
"""

from __future__ import annotations

from horarium.schedule.catchup import CatchUp, Missed, Plan, missed_between, plan
from horarium.schedule.clock_changes import ClockChange, ClockEffect, notes
from horarium.schedule.coming import Run, runs_to_come
from horarium.schedule.config import normalise_config, parse_schedule
from horarium.schedule.jitter import Jitter, fires_at, first_firing, jitter_of
from horarium.schedule.kinds import (
    CronSchedule,
    DateSchedule,
    IntervalSchedule,
    ManualSchedule,
    NeverFires,
    Schedule,
    ScheduleError,
)
from horarium.schedule.surprises import Surprise, SurpriseCode, Terms, coming_changes, surprises
from horarium.schedule.ticks import next_tick, ticks_between
from horarium.schedule.words import describe

__all__ = [
    "CatchUp",
    "ClockChange",
    "ClockEffect",
    "CronSchedule",
    "DateSchedule",
    "IntervalSchedule",
    "Jitter",
    "ManualSchedule",
    "Missed",
    "NeverFires",
    "Plan",
    "Run",
    "Schedule",
    "ScheduleError",
    "Surprise",
    "SurpriseCode",
    "Terms",
    "coming_changes",
    "describe",
    "fires_at",
    "first_firing",
    "jitter_of",
    "missed_between",
    "next_tick",
    "normalise_config",
    "notes",
    "parse_schedule",
    "plan",
    "runs_to_come",
    "surprises",
    "ticks_between",
]
