"""What keeps a server from doing what it is asked, in one line for people and without anything secret.

`Unavailable` says that a server is away, which is all that an actor has to know; whoever sits at a terminal needs what
lies under it: refused, no such name, a wrong password, a certificate.
"""

from __future__ import annotations

import os
import socket
import ssl

from horarium.errors import Unavailable
from horarium.logs import redact

__all__ = ["reason"]

LONGEST = 300  # characters


def reason(error: BaseException) -> str:
    """Why, in the words of whoever refused."""
    under = _under(error)
    if isinstance(under, TimeoutError):
        return "no answer in time"
    if isinstance(under, OSError) and under.errno is not None and not isinstance(under, ssl.SSLError | socket.gaierror):
        return os.strerror(under.errno).lower()
    said = " ".join(str(redact(str(under))).split())
    return said[:LONGEST] or type(under).__name__


def _under(error: BaseException) -> BaseException:
    """What lies under errors that only pass on another."""
    while True:
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        elif isinstance(error, Unavailable | ConnectionError) and error.__cause__ is not None:
            error = error.__cause__
        else:
            return error
