"""Schedules as code: `horarium apply`, `export` and `schema`.

`apply` makes the configs as files declare them. The API judges what is in the files, all of it or nothing; its faults
come back as the file, the line and the config they are about. What was done goes to stdout, what may surprise about it
to stderr. `export` writes such a file, `schema` what editors check it by.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import partial
from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from horarium.client import ApiError, open_client, shaped
from horarium.commands.console import complain, refusals, remark, show_page
from horarium.commands.talk import TokenOption, UrlOption, talk
from horarium.commands.words import counted
from horarium.commands.working import working
from horarium.differences import Difference, Remark, difference_lines
from horarium.errors import ConfigurationError
from horarium.manifest import Manifest, manifest_schema, read, written
from horarium.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from horarium.model.problems import FieldProblem
    from horarium.settings import Settings

__all__ = ["EXIT_CHANGES", "app"]

app = typer.Typer()

EXIT_CHANGES = 10
"""With `--exit-code`: something has changed, or would; apart from every code of a failure."""

MOST_WARNINGS = 20
"""Warnings shown one by one; all of them are in the answer (`--json`)."""

FILE = "horarium.yaml"

FilesOption = Annotated[
    list[str] | None,
    typer.Option("--file", "-f", help=f"A file, more than one if need be, or - for stdin (default: {FILE})."),
]
PruneOption = Annotated[bool, typer.Option("--prune", help="Delete what the files, of this source, do not name.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]
ExitCodeOption = Annotated[bool, typer.Option("--exit-code", help=f"Exit with {EXIT_CHANGES} if anything changes.")]


@app.command()
def apply(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    files: FilesOption = None,
    prune: PruneOption = False,
    dry_run: DryRunOption = False,
    exit_code: ExitCodeOption = False,
    source: Annotated[str | None, typer.Option(help="Who declares these configs (default: as the files say).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's answer.")] = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Make the configs as the files declare them, all of it or nothing."""
    with refusals():
        settings, manifest = load_settings(api_url=url, token=token), read(files or [FILE])
        body = {
            "configs": [entry.config for entry in manifest.entries],
            "source": source or manifest.source,
            "prune": prune,
            "dry_run": dry_run,
        }
        with _placing_faults(manifest), working(f"Applying {counted(len(manifest.entries), 'config')}"):
            answer = talk(partial(_send, settings, body))
        difference = shaped(Difference, answer, settings.api_url or "the API")
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        show_page(difference_lines(difference))
        _warn(manifest, difference.warnings)
    if exit_code and difference.changes:
        raise typer.Exit(EXIT_CHANGES)


@app.command()
def export(
    output_file: Annotated[Path | None, typer.Option("--output", "-o", help="The file (default: stdout).")] = None,
    source: Annotated[str | None, typer.Option(help="Only the configs of this source.")] = None,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Write all configs as a file that `apply` takes, and calls unchanged."""
    with refusals():
        with working("Exporting"):
            text, count = talk(partial(_exported, load_settings(api_url=url, token=token), source))
        if output_file is None:
            typer.echo(text.encode(), nl=False)  # UTF-8 in any locale, as it is read
        else:
            _write(output_file, text)
            remark(f"Wrote {counted(count, 'config')} to {output_file}.")


@app.command()
def schema() -> None:
    """Print the JSON Schema of horarium.yaml, for editors."""
    typer.echo(json.dumps(manifest_schema(), indent=2))


async def _send(settings: Settings, body: dict[str, Any]) -> Any:
    async with open_client(settings) as client:
        return await client.apply(body)


async def _exported(settings: Settings, source: str | None) -> tuple[str, int]:
    """The text of the file, and how many configs are in it."""
    async with open_client(settings) as client:
        queues = {each["name"]: each["queue"] for each in await client.get("/task-types")}
        configs = await client.items("/task-configs")
        wanted = [config for config in configs if source is None or config["source"] == source]
        return written(wanted, url=client.url, source=source, queues=queues), len(wanted)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error


@contextmanager
def _placing_faults(manifest: Manifest) -> Iterator[None]:
    """Say of each field that the API refuses where it stands, and exit with the refusal's code."""
    try:
        yield
    except ApiError as error:
        faults = error.problem.errors if error.problem is not None else None
        if not faults:
            raise
        for fault in faults:
            complain(_placed(manifest, fault))
        raise typer.Exit(error.exit_code) from error


def _placed(manifest: Manifest, fault: FieldProblem | Remark) -> str:
    match fault.loc:
        case ["configs", int(index), *path] if index < len(manifest.entries):
            entry = manifest.entries[index]
            field = ".".join(map(str, path))
            return ": ".join(part for part in (entry.place(path), entry.name, field, fault.msg) if part)
        case ["configs"]:
            return fault.msg
    return f"{'.'.join(map(str, fault.loc))}: {fault.msg}"


def _warn(manifest: Manifest, warnings: list[Remark]) -> None:
    for warning in warnings[:MOST_WARNINGS]:
        remark(f"warning: {_placed(manifest, warning)}")
    if len(warnings) > MOST_WARNINGS:
        remark(f"warning: and {len(warnings) - MOST_WARNINGS} more; --json has them all")
