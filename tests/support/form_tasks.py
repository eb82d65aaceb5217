"""A task with a parameter of each kind that a form can ask for, and of those that it cannot."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from horarium import task

__all__ = ["every_kind"]


class Place(BaseModel):
    """Where something is."""

    city: str
    floor: int = 0


@task("forms.every_kind")
async def every_kind(  # noqa: PLR0917 - a parameter of each kind
    text: Annotated[str, Field(description="What to say.")],
    times: Annotated[int, Field(ge=1, le=9)],
    ratio: float = 0.5,
    loud: bool = False,
    colour: Literal["red", "green"] = "red",
    letter: str = "Dear reader,\nthis is a text of several lines.\n",
    names: list[str] | None = None,
    limit: int | None = 5,
    place: Place | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Answer with what it was given."""
    own = {"text": text, "times": times, "ratio": ratio, "loud": loud, "colour": colour, "letter": letter}
    return {**own, "names": names, "limit": limit, "place": place and place.city, **more}
