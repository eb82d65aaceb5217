"""Loads the Lua verbs of `lua/`, one a file, each with a header that names KEYS, ARGV and what it returns."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

__all__ = ["script"]

LUA_DIR = Path(__file__).parent / "lua"


def script(redis: Redis, verb: str) -> AsyncScript:
    """The verb as a callable, sent by its SHA-1 and loaded anew when Redis has forgotten it."""
    return redis.register_script(_source(verb))


@cache
def _source(verb: str) -> str:
    return (LUA_DIR / f"{verb}.lua").read_text()
