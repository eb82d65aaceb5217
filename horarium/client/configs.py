"""Which config a word on a command line means, and what configs are called.

A name is looked for by the API's text filter, which finds the word anywhere in names and descriptions, so the exact
name is picked from what it finds. A word of digits is an id; a config that has such a name goes second, by its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from horarium.client.errors import NoSuchThing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from horarium.client.api import ApiClient

__all__ = ["find_config", "names_of"]

MOST_NAMED = 200
"""Ids that the API takes in one call."""


async def find_config(client: ApiClient, word: str) -> dict[str, Any]:
    """The config of this id or name, as the API shows it. Raises NoSuchThing."""
    if word.isascii() and word.isdecimal() and len(word) <= 18:
        try:
            return dict(await client.get(f"/task-configs/{int(word)}"))
        except NoSuchThing:
            return await _named(client, word)
    return await _named(client, word)


async def _named(client: ApiClient, name: str) -> dict[str, Any]:
    for config in await client.items("/task-configs", q=name.strip()):
        if config["name"] == name.strip():
            return dict(config)
    raise NoSuchThing(f"{client.url} knows no config {name!r}; `horarium config list` shows those it knows")


async def names_of(client: ApiClient, ids: Iterable[int | None]) -> dict[int, str]:
    """What these configs are called, or were when they were deleted."""
    wanted = sorted({each for each in ids if each is not None})
    names: dict[int, str] = {}
    for first in range(0, len(wanted), MOST_NAMED):
        asked = ",".join(map(str, wanted[first : first + MOST_NAMED]))
        answer = await client.get("/task-configs/names", config_ids=asked)
        names |= {config["id"]: config["name"] for config in answer["items"]}
    return names
