"""An app that logs where it connects to, and crashes in a thread over it, passwords and all, when it is imported."""

from __future__ import annotations

import logging
import os
import threading

URLS = [value for name, value in os.environ.items() if name.startswith("HORARIUM_") and name.endswith("_URL")]


def _crash() -> None:
    raise ConnectionError(f"cannot reach {URLS}")


logging.getLogger("app").warning("connects to %s", URLS)
crashing = threading.Thread(target=_crash)
crashing.start()
crashing.join()
