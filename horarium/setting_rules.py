"""What the value of a setting must be: a function takes one and passes it on, or raises a ValueError with the remedy.

Some settings hold a secret, so no message repeats what was given. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

from horarium.errors import InvalidInput
from horarium.identity.password_rules import check_new_password
from horarium.notifying.mail_server import MailServer, is_address

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "all_long_enough",
    "expanded",
    "good_enough",
    "long_enough",
    "mail_address",
    "mail_server",
    "module_attribute",
    "origin",
    "root_of_api",
    "server_url",
    "token68",
]

MINIMUM_KEY_BYTES = 32  # RFC 7518 3.2: an HS256 key is at least as long as its hash
DEFAULT_PORTS = {"http": 80, "https": 443}
TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 2.1
MODULE_ATTRIBUTE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def long_enough(key: SecretStr | None) -> SecretStr | None:
    """A key that signs."""
    if key is not None and len(key.get_secret_value().encode()) < MINIMUM_KEY_BYTES:
        raise ValueError(f"must be at least {MINIMUM_KEY_BYTES} bytes; make one with `openssl rand -hex 32`")
    return key


def all_long_enough(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    """Keys that sign."""
    for key in keys:
        long_enough(key)
    return keys


def good_enough(password: SecretStr | None) -> SecretStr | None:
    """As good as any other account's: it is the first thing that a stranger tries."""
    try:
        if password is not None:
            check_new_password(password.get_secret_value(), username="admin")
    except InvalidInput as error:
        raise ValueError(error.errors[0].msg) from None
    return password


def server_url(*schemes: str) -> AfterValidator:
    """The URL of a server that speaks one of these; it may hold a secret, and is not repeated."""
    beginnings = " or ".join(f"{scheme}://" for scheme in schemes)
    rule = (
        f"must be a URL that begins with {beginnings}; its port is a number, and /, ? and # in a password are written "
        "as %2F, %3F and %23"
    )

    def check(url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _is_server(url.get_secret_value(), schemes):
            raise ValueError(rule)
        return url

    return AfterValidator(check)


def _is_server(url: str, schemes: Sequence[str]) -> bool:
    scheme, separator, rest = url.partition("://")
    hosts = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2].split(",")  # Postgres may have several
    ports = [host.rpartition("]")[2].partition(":")[2] for host in hosts]
    return scheme in schemes and separator != "" and all(port == "" or port.isdecimal() for port in ports)


def token68(token: SecretStr | None) -> SecretStr | None:
    """What may stand after `Bearer`."""
    if token is not None and TOKEN68.fullmatch(token.get_secret_value()) is None:
        raise ValueError("must be a token: letters, digits and -._~+/ only")
    return token


def root_of_api(url: str | None) -> str | None:
    """The address without what people copy along: `/api/v1`, a slash at the end."""
    if url is None:
        return None
    root = url.rstrip("/").removesuffix("/api/v1").rstrip("/")
    if not _is_address(root):
        raise ValueError("must be an http:// or https:// address, without a user, query or fragment")
    return root


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # its message repeats the value
        return False
    return named and parts.scheme in ("http", "https") and not (set("@?# ") & set(url)) and url.isprintable()


def origin(text: str) -> str:
    """The origin, exactly as a browser sends it: what differs by a letter would never match."""
    if _is_address(text):
        parts = urlsplit(text)
        port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        if text == f"{parts.scheme}://{host}{port}" and text.isascii() and "*" not in text:
            return text
    raise ValueError(
        "must be origins as browsers send them: http:// or https://, a host in small letters, a port only where it is "
        "not the scheme's own; no path, no * and no / at the end"
    )


def module_attribute(spec: str | None) -> str | None:
    """Where a broker is to be imported from."""
    if spec is not None and MODULE_ATTRIBUTE.fullmatch(spec) is None:
        raise ValueError("must be module:attribute, as `taskiq worker` takes it: myapp.broker:broker")
    return spec


def mail_address(text: str | None) -> str | None:
    """An address alone, without a name before it."""
    if text is not None and not is_address(text):
        raise ValueError("must be a plain address, such as horarium@example.org")
    return text


def mail_server(url: SecretStr | None) -> SecretStr | None:
    """The URL of a server that takes mail."""
    if url is not None:
        MailServer.parse(url.get_secret_value())
    return url


def expanded(path: Path) -> Path:
    """An absolute path, `~` being somebody's home."""
    return path.expanduser().absolute()
