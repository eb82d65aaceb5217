"""What a worker is shown to be, and which orders may come in the place of which."""

from __future__ import annotations

import pytest

from horarium.keyspace.workers import WorkerBeat
from horarium.worker_control import Action, SeenWorker, may_follow


@pytest.mark.parametrize(
    ("order", "said", "inline", "shown"),
    [
        (None, "running", False, "running"),
        (None, "paused", False, "paused"),
        ("running", "paused", False, "running"),
        ("paused", "running", False, "pausing"),
        ("paused", "pausing", False, "pausing"),
        ("paused", "paused", False, "paused"),
        ("draining", "running", False, "draining"),
        ("draining", "paused", False, "draining"),
        ("draining", "draining", True, "draining"),
        ("draining", "paused", True, "paused"),
    ],
)
def test_a_worker_is_as_it_says_unless_it_was_told_otherwise_since(
    order: str | None, said: str, inline: bool, shown: str
) -> None:
    beat = WorkerBeat("w:1", (), 1, 0, "now", process="w", inline=inline, state=said)

    assert SeenWorker(beat, order).state == shown  # type: ignore[arg-type]  # words of a table


@pytest.mark.parametrize(
    ("action", "inline", "orders"),
    [
        ("pause", False, ("running",)),
        ("drain", False, ("running", "paused")),
        ("resume", False, ("paused",)),
        ("resume", True, ("paused", "draining")),
    ],
)
def test_a_drain_is_called_back_only_where_the_process_stays(
    action: Action, inline: bool, orders: tuple[str, ...]
) -> None:
    assert may_follow(action, inline=inline) == orders
