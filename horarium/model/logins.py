"""What a caller of the API has to know of identity: the roles, and what a login gives. The commands need no more."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations when the models are made
from typing import Annotated, Literal

from pydantic import Field

from horarium.model.fields import Answer

__all__ = ["Role", "TokenPair"]

Role = Literal["admin", "operator", "viewer"]


class TokenPair(Answer):
    """What a login or a refresh gives; `expires_at` is the access token's."""

    access_token: Annotated[str, Field(repr=False)]
    refresh_token: Annotated[str, Field(repr=False)]
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of a scheme (RFC 6750)
    expires_at: datetime
