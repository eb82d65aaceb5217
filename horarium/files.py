"""Files that only their owner can read, from the moment they exist.

A mode set after the file was made leaves a moment in which others could open it, and the umask is somebody else's
choice; so the mode is given when the file is opened.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["open_private"]


def open_private(path: Path, mode: str) -> IO[str]:
    """Open a text file that is made, when missing, with mode 0600 whatever the umask."""
    return open(path, mode, encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600))
