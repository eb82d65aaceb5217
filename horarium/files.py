"""Files that only their owner can read, from the moment they exist.

A mode set after the file was made leaves a moment in which others could open it, and the umask is somebody else's
choice; so the mode is given when the file is opened. What makes or replaces a file is complete on disk before it takes
the name: a reader finds the old content or the new, and so does whoever comes after a crash.
"""

from __future__ import annotations

import os
import secrets
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["make_private", "open_private", "replace_private"]


def open_private(path: Path, mode: str) -> IO[str]:
    """Open a text file that is made, when missing, with mode 0600 whatever the umask."""
    return open(path, mode, encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600))


def make_private(path: Path, content: str) -> None:
    """Make a file of mode 0600 with this content. Raises FileExistsError; of several that come at once one makes it."""
    new = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    try:
        _write(new, content)
        path.hardlink_to(new)  # unlike a rename, it never takes the place of a file that is there
    finally:
        new.unlink(missing_ok=True)


def replace_private(path: Path, content: str) -> None:
    """Put a file of mode 0600 with this content in the place of `path`. One writer at a time: the caller's lock."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)  # left by a writer that was killed; its mode may not be ours
    _write(new, content)
    new.replace(path)


def _write(path: Path, content: str) -> None:
    with open_private(path, "x") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
