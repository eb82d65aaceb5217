"""A config as a text that a person edits, until what differs is accepted or the person lets it be.

What the API refuses comes back into the editor, as comments above the person's own text. Where somebody else has saved
the config meanwhile, the person's changes are laid over the new one, to be sent or not. Whoever leaves the text as it
was ends it. Whatever else goes wrong, the text stays in its file, and the file is named.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from horarium.client import ApiError, Conflicting, Faulty
from horarium.commands.console import remark
from horarium.errors import ConfigurationError
from horarium.manifest import YamlFault, compose, dumped, value_of
from horarium.model import TaskConfigPatch
from horarium.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Draft", "changed", "commented", "editable", "edited", "fields_in", "uncommented"]

EDITOR = '${VISUAL:-${EDITOR:-vi}} "$1"'
"""Left to the shell, as git and crontab do: the variable may hold a command with arguments."""


@dataclass(frozen=True)
class Draft:
    """The config that the text was made from, the text, and what is to be said above it."""

    config: Mapping[str, Any]
    text: str
    notes: Sequence[str] = ()


def edited(
    config: Mapping[str, Any],
    send: Callable[[Mapping[str, Any], dict[str, Any]], Any],
    read_again: Callable[[], Mapping[str, Any]],
) -> Any:
    """What the API answers to the changes that a person makes; None where there are none.

    `send` takes the config that was read and the fields that differ. Raises ApiError for what editing cannot mend.
    """
    path = _new_file()
    draft = Draft(config, dumped(editable(config)))
    while True:
        shown = commented(draft)
        path.write_text(shown, encoding="utf-8")
        _open_editor(path)
        text = path.read_text(encoding="utf-8")
        if text == shown or not uncommented(text).strip():
            return _let_be(path, draft)
        outcome = _sent(Draft(draft.config, uncommented(text)), send, read_again, path)
        if not isinstance(outcome, Draft):
            path.unlink()
            return outcome
        draft = outcome


def editable(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a config that an edit can change, in the order of the model."""
    return {name: config[name] for name in TaskConfigPatch.model_fields if name in config}


def changed(config: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be sent: the fields that differ; those that are not there stay as they are."""
    return {name: value for name, value in wanted.items() if name not in config or config[name] != value}


def commented(draft: Draft) -> str:
    """The text below what is said about it."""
    config = draft.config
    about = [
        *draft.notes,
        f"{config['name']}, config {config['id']}, version {config['version']}.",
        "What differs is sent when you save and leave. A field that is taken out stays as it is.",
        "Leave the text as it is, or empty, to change nothing.",
    ]
    return "".join(f"# {printable(line)}\n" for line in about) + draft.text


def uncommented(text: str) -> str:
    """The text without the comments above it."""
    lines = text.splitlines(keepends=True)
    first = next((at for at, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join(lines[first:])


def fields_in(text: str) -> dict[str, Any]:
    """The fields that a text has; none where it is empty. Raises YamlFault."""
    root = compose(text)
    fields = None if root is None else value_of(root)
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        raise YamlFault(1, "must be fields and their values, such as `queue: default`")
    return fields


def _sent(
    draft: Draft,
    send: Callable[[Mapping[str, Any], dict[str, Any]], Any],
    read_again: Callable[[], Mapping[str, Any]],
    path: Path,
) -> Any:
    """The answer, None where nothing differs, or the draft to go on with."""
    try:
        fields = changed(draft.config, fields_in(draft.text))
        return send(draft.config, fields) if fields else None
    except YamlFault as error:
        return Draft(draft.config, draft.text, [f"Not saved: {error}"])
    except Faulty as error:
        faults = [f"{'.'.join(map(str, fault.loc))}: {fault.msg}" for fault in error.faults] or [str(error)]
        return Draft(draft.config, draft.text, ["Not saved:", *faults])
    except Conflicting as error:
        if error.code != "version":
            return Draft(draft.config, draft.text, [f"Not saved: {error}"])
        newer = read_again()
        note = "Not saved: somebody has changed it meanwhile. Below is what they saved with your changes over it."
        return Draft(newer, dumped(editable(newer) | fields), [note, "Take this line out to send it."])
    except ApiError as error:
        raise type(error)(f"{error}. Your text is kept in {path}") from error


def _let_be(path: Path, draft: Draft) -> None:
    """End without a change; a text that was refused is work, and is kept."""
    if draft.notes:
        raise ApiError(f"{' '.join(draft.notes)} Your text is kept in {path}")
    path.unlink()
    remark("Nothing was changed.")


def _new_file() -> Path:
    """A file that nobody else can read: parameters may hold secrets."""
    descriptor, name = tempfile.mkstemp(prefix="horarium-", suffix=".yaml")
    os.close(descriptor)
    return Path(name)


def _open_editor(path: Path) -> None:
    """Have the text edited. Ctrl-C is for the editor alone: should it end that, the file is still named."""
    before = signal.signal(signal.SIGINT, lambda *_: None)  # unlike SIG_IGN, no child inherits it
    try:
        done = subprocess.run(["/bin/sh", "-c", EDITOR, "sh", str(path)], check=False)  # noqa: S603 - the person's own editor
    finally:
        signal.signal(signal.SIGINT, before)
    if done.returncode:
        raise ConfigurationError(
            f"the editor ended with code {done.returncode}, so nothing was sent; is VISUAL or EDITOR right? "
            f"The text is in {path}"
        )
