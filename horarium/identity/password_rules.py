"""What a new password must be: long enough, and none of those that are tried first.

As NIST SP 800-63B has it: a length, and a list of what is not accepted; no rules on kinds of characters, which make
people choose `Password1!`. Common ones are in `common_passwords.txt`, whose head says where they are from. It is read
at import, since the rules are asked for within the event loop.

The rules are for what is set. What was set under other rules goes on working.
"""

from __future__ import annotations

from pathlib import Path

from horarium.errors import FieldError, InvalidInput

__all__ = ["MAX_BYTES", "MIN_CHARS", "check_new_password"]

MIN_CHARS = 8
MAX_BYTES = 1000
"""A login takes no more; hashing costs the same however long the text is."""

AFFIXES = " 0123456789!?.,;:#$*@_-+"
"""What is put around a word to make it pass for another."""


def _common() -> frozenset[str]:
    text = Path(__file__).with_name("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(text.partition("\n\n")[2].splitlines())


COMMON = _common()


def check_new_password(password: str, *, username: str, field: str = "password") -> None:
    """Raise InvalidInput, naming this field, unless it may be this user's; the text is in no message."""
    if fault := _fault(password, username):
        raise InvalidInput(FieldError((field,), fault))


def _fault(password: str, username: str) -> str | None:
    if len(password) < MIN_CHARS:
        return f"must have at least {MIN_CHARS} characters"
    if len(password.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return f"must have at most {MAX_BYTES} bytes"
    folded = password.casefold()
    if folded.strip() in COMMON:
        return "is one of the most common passwords"
    core = folded.strip(AFFIXES)
    if core and core in (username.casefold().strip(AFFIXES), "horarium"):
        return "must not be the user's name or this program's, with something around it"
    return None
