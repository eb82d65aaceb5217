"""What tests of the dashboard have in common: people who have logged in, and configs to look at."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

from tests.support.browser import Visit
from tests.support.processes import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.support.processes import Client, Running

__all__ = ["KEPT_MS", "a_config", "a_run", "a_user", "named", "visiting"]

NUMBERS = count(1)
KEPT_MS = 40_000
"""How long an answer may be kept that a busy machine was slow to read (docs/decisions/0049)."""


@contextmanager
def visiting(
    chromium: Browser,
    house: Running,
    username: str,
    path: str = "/",
    *,
    look: str = "light",
    provokes: str | None = None,
) -> Iterator[Visit]:
    """The page of somebody who has logged in, at this path."""
    with Visit.of(chromium, house.url, look, provokes=provokes) as made:
        made.to(path)
        made.log_in(PASSWORD, username)
        made.is_drawn()
        yield made


def a_user(admin: Client, role: str) -> str:
    """The name of a new user of this role."""
    username = named(role)
    admin.post("/users", {"username": username, "password": PASSWORD, "role": role})
    return username


def named(what: str) -> str:
    """A name that nothing has yet."""
    return f"{what} {next(NUMBERS)}"


def a_config(admin: Client, name: str, **fields: object) -> int:
    """The id of a new config that runs by hand, an echo by default."""
    by_hand = {"task_type": "echo", "parameters": {"message": "hello"}, "scheduler_type": "manual"}
    return admin.config(**{"name": name, "schedule_config": {}, **by_hand, **fields})


def a_run(admin: Client, name: str, **fields: object) -> str:
    """The id of a run by hand of such a config, which has only been asked for."""
    return str(admin.post(f"/task-configs/{a_config(admin, name, **fields)}/run")["task_id"])
