"""Where mail is handed in, as a setting says it, and what an address is. Pure; whoever reads settings imports it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["ADDRESS", "MOST_ADDRESS_CHARS", "MailServer", "is_address"]

ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
ADDRESS = rf"^{ATOM}(\.{ATOM})*@{LABEL}(\.{LABEL})*$"
"""An address without quotes and comments, in ASCII (RFC 5321's Dot-string and Domain)."""
MOST_ADDRESS_CHARS = 254

URL_RULE = "must be smtp://user:password@host:port, with ?tls=starttls or ?tls=none, or smtps://user:password@host:port"
PORTS = {"smtp": 587, "smtps": 465}
TLS = {"starttls": True, "none": False}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in. `start_tls`: required, left out, or None: used where the server has it."""

    host: str
    port: int
    use_tls: bool
    start_tls: bool | None
    username: str | None
    password: str | None = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """From a URL; ValueError, without the URL, for what is none."""
        try:
            parts = urlsplit(url)
            usual, query = PORTS[parts.scheme], parse_qs(parts.query, strict_parsing=bool(parts.query))
            port, wanted = parts.port or usual, query.pop("tls", [None])
        except (KeyError, ValueError):  # the second one's message repeats the value
            raise ValueError(URL_RULE) from None
        secure = parts.scheme == "smtps"
        odd = query or len(wanted) > 1 or wanted[0] not in (None, *TLS) or (secure and wanted != [None])
        if odd or not parts.hostname or parts.path not in ("", "/") or parts.fragment:
            raise ValueError(URL_RULE)
        username = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        if (username is None) != (password is None):
            raise ValueError("must have a user and a password, or neither")
        start_tls = False if secure else TLS[wanted[0]] if wanted[0] else True if username else None
        return cls(parts.hostname, port, secure, start_tls, username, password)


def is_address(text: str) -> bool:
    """Whether mail can be sent from and to it."""
    return len(text) <= MOST_ADDRESS_CHARS and re.fullmatch(ADDRESS, text) is not None
