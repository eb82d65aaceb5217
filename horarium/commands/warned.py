"""What the API warns of when something is saved: said on stderr, since nothing was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from horarium.commands.console import remark

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["warn"]


def warn(answer: Mapping[str, Any]) -> None:
    """Say each warning that an answer carries, with the field it is about."""
    for warning in answer.get("warnings") or ():
        where = ".".join(map(str, warning.get("loc") or ()))
        remark(f"warning: {where}: {warning['msg']}" if where else f"warning: {warning['msg']}")
