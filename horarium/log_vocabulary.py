"""The vocabulary of the log as one page, made from the source: `python -m horarium.log_vocabulary`.

The source says what is logged, at which level and with which fields, and it is read, not run; `log_events.py` says what
that means. Each is held to the other: an event or a field without a sentence, a sentence without an event, an event
told in two places, and a name that is no literal are faults, and then there is no page. So whoever adds a line to the
log adds its meaning, and a field keeps its name wherever the same thing is told.

A call is found by the name of its logger, `log`, as every module has it. What supervisors tell is made of types, and
has a page of its own.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from horarium.log_events import EVENTS, FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Said", "VocabularyError", "said_in", "vocabulary"]

PACKAGE = Path(__file__).parent
LEVELS = ("debug", "info", "warning", "error", "critical")

HEAD = """\
# Log events

Every event that Horarium logs, except those of the supervision tree, which have [a page of their
own](supervision-events.md). This page is made by `make docs`, from the source and `horarium/log_events.py`.

A line has `timestamp` (UTC), `level`, `logger` and `event`, and the fields of its event; what is unknown is left out
or `null`. Within a request every line has its `request_id` too; on behalf of an attempt, what the task itself logs
included, `task_id`, `config_id` and `attempt`. The event of a line that comes from a library is a text.

| event | level | fields | told by | meaning |
|---|---|---|---|---|
"""

FIELDS_HEAD = """
## Fields

| field | meaning |
|---|---|
"""


class VocabularyError(Exception):
    """The source and the table of meanings do not agree, or a call of a logger cannot be read."""


@dataclass(frozen=True, slots=True)
class Said:
    """One call of a logger: the event, its levels (several where that depends on what happened), fields and module."""

    event: str
    levels: tuple[str, ...]
    fields: tuple[str, ...]
    module: str


def vocabulary(package: Path = PACKAGE) -> str:
    """Return the page, in Markdown; raises VocabularyError."""
    said = sorted(
        (each for path in sorted(package.rglob("*.py")) for each in said_in(path.read_text(), _module(path))),
        key=lambda each: each.event,
    )
    _check(said)
    events = "".join(f"{_row(each)}\n" for each in said)
    fields = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in sorted(FIELDS.items()))
    return HEAD + events + FIELDS_HEAD + fields


def said_in(source: str, module: str) -> Iterator[Said]:
    """Every call of the module's logger; raises VocabularyError for one that cannot be read."""
    tree = ast.parse(source)
    used = {node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_log(node.value)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.func in used:
            used.discard(node.func)
            yield _said(node, module)
    if used:
        raise VocabularyError(f"{module}:{min(each.lineno for each in used)}: a logger is called, and nothing else")


def _said(call: ast.Call, module: str) -> Said:
    assert isinstance(call.func, ast.Attribute), "found as one"  # noqa: S101 - what mypy cannot know
    method, arguments, fields = call.func.attr, list(call.args), [*_fields(call, module)]
    levels = [method]
    if method == "log":
        levels = [*_levels(arguments.pop(0))]
    elif method == "exception":
        levels, fields = ["error"], [*fields, "exception"]
    if not levels or not set(levels) <= set(LEVELS):
        raise VocabularyError(f"{module}:{call.lineno}: no level that can be read")
    match arguments:
        case [ast.Constant(str(event))]:
            return Said(event, tuple(sorted(levels, key=LEVELS.index)), tuple(fields), module)
    raise VocabularyError(f"{module}:{call.lineno}: an event's name is a literal, and all else a named field")


def _levels(chosen: ast.expr) -> Iterator[str]:
    """The levels that an expression chooses between: `logging.INFO if ... else logging.WARNING`."""
    for node in ast.walk(chosen):
        match node:
            case ast.Attribute(ast.Name("logging"), level):
                yield level.lower()


def _fields(call: ast.Call, module: str) -> Iterator[str]:
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield "exception" if keyword.arg == "exc_info" else keyword.arg
        elif isinstance(keyword.value, ast.Call) and not keyword.value.args:  # `**_known(...)` leaves out what is None
            yield from _fields(keyword.value, module)
        else:
            raise VocabularyError(f"{module}:{call.lineno}: fields are named where they are told")


def _check(said: Sequence[Said]) -> None:
    """Raise VocabularyError with all that does not agree."""
    told, fields = Counter(each.event for each in said), {name for each in said for name in each.fields}
    faults = [
        *(f"{event}: told in {times} places" for event, times in told.items() if times > 1),
        *(f"{event}: has no meaning in log_events.py" for event in told.keys() - EVENTS.keys()),
        *(f"{event}: is told nowhere" for event in EVENTS.keys() - told.keys()),
        *(f"field {name}: has no meaning in log_events.py" for name in fields - FIELDS.keys()),
        *(f"field {name}: is told nowhere" for name in FIELDS.keys() - fields),
    ]
    if faults:
        raise VocabularyError("\n".join(sorted(faults)))


def _row(said: Said) -> str:
    told = ", ".join(f"`{name}`" for name in said.fields)
    return f"| `{said.event}` | {', '.join(said.levels)} | {told} | `{said.module}` | {EVENTS[said.event]} |"


def _module(path: Path) -> str:
    return str(path.relative_to(PACKAGE.parent))


def _is_log(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "log"


if __name__ == "__main__":
    sys.stdout.write(vocabulary())
