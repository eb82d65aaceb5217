"""What was carried over as a `horarium.yaml`, which `horarium apply` takes; its comments say what it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.errors import ConfigurationError
from horarium.importing.carrying import Carried, NotCarried
from horarium.manifest import dumped
from horarium.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from horarium.importing.carrying import Outcome

__all__ = ["as_yaml", "write_new"]


def as_yaml(source: str, outcomes: Sequence[Outcome]) -> str:
    """The text of the file."""
    configs = [each.config for each in outcomes if isinstance(each, Carried)]
    return "".join(f"# {printable(line)}\n" for line in _comments(source, outcomes)) + dumped({"configs": configs})


def _comments(source: str, outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield f"Made by horarium import {source}."
    for each in outcomes:
        if isinstance(each, NotCarried):
            yield f"Not carried over: {each.name}: {each.reason}"
        else:
            yield from (f"Different: {each.name}: {note}" for note in each.notes)


def write_new(path: Path, text: str) -> None:
    """Make the file; raises ConfigurationError where there is one already, which may be somebody's work."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigurationError(f"{path} is there already; name another file, or remove it") from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
