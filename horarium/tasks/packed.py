"""A call as bytes, for a process of its own: nothing that cannot be pickled ever meets pebble.

pebble gives its whole pool up over an argument that it cannot send or an exception that it cannot read back, and with
it every other function that runs. So both are made bytes here first: an argument that cannot travel fails its own call
in the worker, by name; an exception that cannot (one whose constructor wants other arguments than it keeps) is replaced
by one that says what it was.
"""

from __future__ import annotations

import pickle
import traceback
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any

from taskiq.exceptions import NoResultError, TaskRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["RaisedThere", "call_packed", "packed", "unpacked"]

BY_TYPE = (NoResultError, TaskRejectedError)
"""What a task says by raising it; both have nothing but their type, and cannot be read back."""

ON_THE_WAY = frozenset({"horarium.tasks.packed", "horarium.tracing.within"})
"""The modules whose frames lie between the process and its function."""

Answer = tuple[bool, Any, str]  # whether it returned, the value or the error, where that was raised


class RaisedThere(Exception):
    """An exception of the other process as its traceback, which ends with the exception itself."""


def packed(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
    """The call; raises TypeError that names the argument which cannot be sent."""
    for name, value in [*enumerate(args), *kwargs.items()]:
        try:
            ForkingPickler.dumps(value)
        except Exception as error:
            kind = type(value).__name__
            raise TypeError(
                f"argument {name!r}, a {kind}, cannot be sent to the process of a plain function ({error}): "
                "make the task async, or give it something that can be pickled"
            ) from error
    return bytes(ForkingPickler.dumps((function, tuple(args), dict(kwargs))))


def call_packed(call: bytes) -> bytes:
    """Make the call, in the process; an exception is an answer, too."""
    function, args, kwargs = pickle.loads(call)  # noqa: S301 - written by our own worker, for this process
    try:
        returned = function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - not swallowed: raised again in the worker
        return pickle.dumps((False, _sendable(error), _frames(error)))
    try:
        return pickle.dumps((True, returned, ""))
    except Exception as error:  # noqa: BLE001 - as above
        kind = type(returned).__name__
        return pickle.dumps((False, TypeError(f"it returned a {kind}, which cannot be sent back ({error})"), ""))


def unpacked(answer: bytes) -> Any:
    """What the call returned; raises what it raised, with its frames as the cause."""
    has_returned, value, frames = pickle.loads(answer)  # noqa: S301 - written by our own process
    if has_returned:
        return value
    error: BaseException = value() if isinstance(value, type) else value
    raise error from (RaisedThere(frames) if frames else None)


def _sendable(error: Exception) -> object:
    """The exception, its type where that is all there is of it, or one that says what it was."""
    if isinstance(error, BY_TYPE):
        return type(error)
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - whatever is wrong with it
        return RuntimeError("".join(traceback.format_exception_only(error)).strip())
    return error


def _frames(error: Exception) -> str:
    """The traceback, from the function on."""
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_globals.get("__name__") in ON_THE_WAY:
        frame = frame.tb_next
    return "".join(traceback.format_exception(type(error), error, frame))
