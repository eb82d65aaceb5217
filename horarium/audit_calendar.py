"""When each config has next to be compared with the ledger: so what an audit may pass over. Pure.

Most configs have no tick in the past that an audit reaches. Such a config has nothing to be missing, and nothing to
compare, until its first tick after that past has come; so each config's first tick is worked out once and remembered,
and in a pass only those are looked at whose tick has come, or where something is wrong.

What is remembered holds for a config as it was read. Configs are remembered by pages of `PAGE_IDS` ids, each with a
fingerprint of its ids and versions, which Postgres can work out of an index alone: where it differs, the page is read
again. So it is after `REMEMBERED` as well, for whoever changed a schedule by hand and left its version as it was.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from horarium.audit import stored_schedule
from horarium.schedule import ScheduleError, next_tick
from horarium.schedule.instants import LATEST, micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from horarium.schedule import Schedule
    from horarium.sql.queries import Row

__all__ = ["AT_ONCE", "PAGE_IDS", "Calendar", "Page", "first_look", "read_page"]

log = structlog.get_logger(__name__)

PAGE_IDS = 1000
"""Ids of a page. One edit lets a page be read anew: some ten milliseconds, when no two schedules in it are equal."""

REMEMBERED = timedelta(hours=6)

AT_ONCE = 0
"""Before every tick: for a config that is looked at whatever its schedule says, until all is well with it."""


@dataclass(slots=True)
class Page:
    """Configs that owe ticks, by ascending id, and for each the first tick to look for, microseconds since the epoch.

    A million configs take 16 MB.
    """

    fingerprint: int
    read_at: datetime
    ids: array[int]
    looks: array[int]
    unreadable: int
    _next: int = AT_ONCE

    def due(self, until: int) -> list[int]:
        """The configs with a tick to look for up to an instant."""
        if self._next > until:
            return []
        self._next = min(self.looks, default=LATEST)
        return [config_id for config_id, look in zip(self.ids, self.looks, strict=True) if look <= until]

    def look(self, config_id: int, instant: int) -> None:
        """Look at a config when the tick of this instant has come; nothing for one that is not here."""
        at = bisect_left(self.ids, config_id)
        if at < len(self.ids) and self.ids[at] == config_id:
            self.looks[at] = instant
            self._next = min(self._next, instant)


@dataclass
class Calendar:
    """All pages, by number."""

    pages: dict[int, Page] = field(default_factory=dict)

    def get(self, number: int, fingerprint: int, now: datetime) -> Page | None:
        """A page, if it is known as it is now."""
        page = self.pages.get(number)
        known = page is not None and page.fingerprint == fingerprint and now - page.read_at < REMEMBERED
        return page if known else None

    def look_at_once(self, config_ids: Iterable[int]) -> None:
        """Look at these configs, whatever their schedules say."""
        for config_id in config_ids:
            page = self.pages.get(config_id // PAGE_IDS)
            if page is not None:
                page.look(config_id, AT_ONCE)

    def keep(self, numbers: set[int]) -> None:
        """Forget all other pages: they have no configs any more."""
        self.pages = {number: page for number, page in self.pages.items() if number in numbers}


def read_page(groups: Sequence[Row], *, now: datetime, since: datetime) -> Page:
    """A page, from `audit_page`'s groups of equal schedules; ticks after `since` are looked for."""
    looks: dict[int, int] = {}
    fingerprint, unreadable = 0, 0
    for group in groups:
        fingerprint ^= group["fingerprint"]
        look = _look_of(group, since)
        if look is None:
            unreadable += len(group["ids"])
        else:
            looks.update(dict.fromkeys(group["ids"], look))
            looks.update(dict.fromkeys(group["with_rows"] or (), AT_ONCE))
    ids = sorted(looks)
    return Page(fingerprint, now, array("q", ids), array("q", map(looks.__getitem__, ids)), unreadable)


def _look_of(group: Row, since: datetime) -> int | None:
    """What `first_look` says of a group; None where its schedule makes no sense, which is the loader's to tell."""
    try:
        return first_look(stored_schedule(group), since, group["start_at"], group["end_at"])
    except ScheduleError as error:
        log.debug(
            "audit.schedule_unreadable", configs=len(group["ids"]), config_ids=group["ids"][:10], error=str(error)
        )
        return None


def first_look(schedule: Schedule, since: datetime, start_at: datetime | None, end_at: datetime | None) -> int:
    """The first tick after an instant, or one that never comes."""
    tick = next_tick(schedule, since, not_before=start_at, end_at=end_at)
    return LATEST if tick is None else micros(tick)
