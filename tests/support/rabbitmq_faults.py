"""What befalls a house whose messages RabbitMQ carries; the other faults are in `tests.support.load_faults`.

RabbitMQ is not behind a proxy: what is done to it is done by its own means, or to its process.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.load_faults import FIVE, LOST_MESSAGES, TWO, Fault, Scene, killed_in_turn
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.rabbitmq import RabbitMQ

__all__ = ["RABBITMQ_FAULTS"]

CLOSE = 'C = rabbit_networking:connections(), rabbit_networking:close_connections(C, "a test"), length(C).'
RELIEVE = "A = rabbit_alarm:get_alarms(), vm_memory_monitor:set_vm_memory_high_watermark(0.4), A."
"""One call each: on a machine that is busy, `rabbitmqctl` takes many seconds to begin."""

UNCLAIMED = "SELECT count(*) FROM executions WHERE status = 'queued'"


def node_of(scene: Scene) -> RabbitMQ:
    """The node; a fault that is told to be over RabbitMQ has one."""
    assert scene.rabbitmq is not None
    return scene.rabbitmq


@contextmanager
def _restarted(scene: Scene) -> Iterator[None]:
    node_of(scene).stop()
    yield
    node_of(scene).start()


@contextmanager
def _killed(scene: Scene) -> Iterator[None]:
    node_of(scene).kill()
    yield
    node_of(scene).start()


@contextmanager
def _connections_closed(scene: Scene) -> Iterator[None]:
    """At the beginning, and twice more at the end, in the middle of healing."""
    _close(scene)
    yield
    _close(scene)
    _close(scene)


def _close(scene: Scene) -> None:
    scene.count("connections closed", int(node_of(scene).ctl_now("eval", CLOSE)))


@contextmanager
def _short_of_memory(scene: Scene) -> Iterator[None]:
    """For longer than a publish may take."""
    node_of(scene).ctl_now("set_vm_memory_high_watermark", "absolute", "1024")
    yield
    scene.count("memory alarms", node_of(scene).ctl_now("eval", RELIEVE).count("memory"))
    assert scene.counts["memory alarms"] > 0


@contextmanager
def _queue_deleted(scene: Scene) -> Iterator[None]:
    """At the beginning, and once more at the end, in the middle of healing."""
    _delete(scene)
    yield
    _delete(scene)


def _delete(scene: Scene) -> None:
    """Delete the queue while messages lie there that nobody has claimed: the worker is held up for a moment."""
    queue = f"{scene.house.prefix.removesuffix(':')}.queue.default"
    with scene.house.frozen("worker"):
        until(lambda: scene.house.rows(UNCLAIMED)[0][0] >= LOST_MESSAGES)
        lost = int(scene.house.rows(UNCLAIMED)[0][0])
        node_of(scene).ctl_now("delete_queue", queue)
    scene.count("unclaimed messages deleted", lost)


RABBITMQ_FAULTS: dict[str, Fault] = {
    "over rabbitmq, two of five workers killed in turn": Fault(
        killed_in_turn("fourth", "fifth", every=3), 60, workers=FIVE, over_rabbitmq=True
    ),
    "rabbitmq killed": Fault(_killed, 3, workers=TWO, over_rabbitmq=True),
    "rabbitmq restarted": Fault(_restarted, 3, over_rabbitmq=True),
    "rabbitmq short of memory": Fault(_short_of_memory, 8, over_rabbitmq=True),
    "rabbitmq closes all connections": Fault(_connections_closed, 3, workers=TWO, over_rabbitmq=True),
    "rabbitmq's queue deleted": Fault(_queue_deleted, 3, over_rabbitmq=True),
}
"""By name, the longest first, so that they fill the lanes."""
