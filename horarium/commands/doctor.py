"""`horarium doctor`: is everything as Horarium needs it, and what to do where it is not.

Exit code 0 where nothing has failed, whatever there is to be warned of; 1 where something has.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path  # noqa: TC003 - typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from horarium.commands.console import output
from horarium.commands.talk import TokenOption, UrlOption, talk
from horarium.commands.words import counted
from horarium.doctor import EXAMINATIONS, Diagnosis, admit, examine
from horarium.logs import configure_logging
from horarium.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["app", "diagnosis_lines"]

EXIT_FAILED = 1
STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}
LEVEL_WIDTH = max(map(len, STYLES))

app = typer.Typer()


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Where embedded servers keep their data.")] = None,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Check servers, versions, clocks, rights, settings and the running parts, and say what to do."""
    # what the examined parts log in passing is in what they are found to be
    configure_logging("json", "error")
    patient = admit(data_dir=data_dir, api_url=url, token=token)
    found = talk(partial(examine, patient, EXAMINATIONS))
    failing = any(each.level == "failed" for each in found)
    if as_json:
        typer.echo(json.dumps({"ok": not failing, "checks": [asdict(each) for each in found]}))
    else:
        output.print(*diagnosis_lines(found), sep="\n", soft_wrap=True)
    if failing:
        raise typer.Exit(EXIT_FAILED)


def diagnosis_lines(found: Sequence[Diagnosis]) -> Iterator[Text]:
    """A line for each, what to do below it, and how many of which at the end."""
    width = max((len(each.check) for each in found), default=0)
    for each in found:
        level = Text(each.level.ljust(LEVEL_WIDTH), STYLES[each.level])
        yield Text.assemble(level, f"  {printable(each.check).ljust(width)}  {printable(each.summary)}")
        if each.remedy is not None:
            yield Text(f"{' ' * (LEVEL_WIDTH + width + 2)}  -> {printable(each.remedy)}", "dim")
    counts = Counter(each.level for each in found)
    yield Text(f"\n{counts['ok']} ok, {counted(counts['warning'], 'warning')}, {counts['failed']} failed")
