"""Commands that are imported when they are called, and not when others are, or `--help`, or the Tab key.

Half of Horarium is behind `horarium up` alone, and whoever asks for the status should not wait for it. So the root
knows of each command its name, its module and the line that `--help` has for it; a test holds those lines against the
commands.

Python's cycle collector is off while a command is imported, and passes over what that made for as long as the process
lives. Nothing in a module is garbage; to look for some, again and again as modules come, takes `horarium up` a quarter
of its start.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import typer.core
import typer.main
from typer.models import TyperInfo

__all__ = ["Lazy", "LazyGroup"]


@dataclass(frozen=True, slots=True)
class Lazy:
    """A command: the module whose `app` has it, its line in the help, and whether that whole `app` is it."""

    module: str
    help: str
    is_group: bool = False

    def load(self, name: str) -> Any:
        """The command itself."""
        with _uncollected():
            app = importlib.import_module(f"horarium.commands.{self.module}").app
        group = typer.main.get_group_from_info(
            TyperInfo(app), pretty_exceptions_short=True, rich_markup_mode=app.rich_markup_mode, suggest_commands=True
        )
        command: Any = group if self.is_group else group.commands[name]
        command.name = name
        return command


@contextmanager
def _uncollected() -> Iterator[None]:
    """What is made in the block is not looked at by the collector, in it or after it."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class _Loading(Mapping[str, Any]):
    """Commands by name, each loaded when it is looked up."""

    def __init__(self, table: Mapping[str, Lazy]) -> None:
        self._table = table
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = self._table[name].load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


class LazyGroup(typer.core.TyperGroup):
    """A group whose commands are those of `table`, which a subclass names."""

    table: ClassVar[Mapping[str, Lazy]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = cast("Any", _Loading(self.table))

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - click's signature
        """What the help shows of a command: its name and its line."""
        known = self.table.get(cmd_name)
        return None if known is None else typer.core.TyperCommand(cmd_name, help=known.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called, and what it is called with."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else self.commands[name], rest
