"""The options that every `horarium import` takes besides its own."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from pathlib import Path  # noqa: TC003 - typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from horarium.commands.arguments import duration
from horarium.commands.talk import TokenOption, UrlOption  # noqa: TC001 - as above
from horarium.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Wanted", "importer"]


@dataclass(frozen=True)
class Wanted:
    """The options of every import."""

    apply: Annotated[bool, typer.Option("--apply", help="Make the configs, all in one call.")] = False
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write a new horarium.yaml, for `horarium apply`.")
    ] = None
    offline: Annotated[bool, typer.Option("--offline", help="Ask no Horarium which task types it has.")] = False
    task_type: Annotated[
        list[str] | None, typer.Option(help="OLD=NEW: a task's name there and here; may be given again.")
    ] = None
    timezone: Annotated[str | None, typer.Option(help="Zone of schedules that name none.")] = None
    timeout: Annotated[
        Any, typer.Option(parser=duration, metavar="DURATION", help="After which a run ends, where nothing ended it.")
    ] = "1d"
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False
    url: UrlOption = None
    token: TokenOption = None

    @property
    def renames(self) -> dict[str, str]:
        """The task types' names here by their names there; raises ConfigurationError."""
        pairs = [each.partition("=") for each in self.task_type or ()]
        if any(not old or not new for old, _, new in pairs):
            raise ConfigurationError("--task-type takes OLD=NEW")
        return {old: new for old, _, new in pairs}


def importer(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the options of `Wanted` after its own parameters; it gets them as one, as `wanted`."""
    hints = get_type_hints(command, include_extras=True)
    own = [each for each in inspect.signature(command, eval_str=True).parameters.values() if each.name != "wanted"]
    shared_hints = get_type_hints(Wanted, include_extras=True)
    shared = [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None if each.default is MISSING else each.default,
            annotation=shared_hints[each.name],
        )
        for each in fields(Wanted)
    ]

    @wraps(command)
    def run(**given: Any) -> None:
        wanted = Wanted(**{each.name: given.pop(each.name) for each in shared})
        command(**given, wanted=wanted)

    del run.__wrapped__  # typer would follow it back to the parameters of `command`
    parameters = [*(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own), *shared]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # inspect reads it, typeshed does not
    run.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": hints["return"]}
    return run
