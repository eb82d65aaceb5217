"""A text that somebody names on a command line: the file of it, or `-` for stdin."""

from __future__ import annotations

import sys
from pathlib import Path

from horarium.errors import ConfigurationError

__all__ = ["STDIN", "given_text"]

STDIN = "-"


def given_text(file: str) -> str:
    """The text, which is UTF-8. Raises ConfigurationError that says which file cannot be read, and why."""
    if file == STDIN and sys.stdin is None:  # closed by whoever started us
        raise ConfigurationError("there is no stdin to read from")
    try:
        content = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: is no UTF-8 text (byte {error.start})") from error
