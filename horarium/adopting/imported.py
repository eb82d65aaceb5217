"""The broker that HORARIUM_BROKER names, imported as `taskiq worker` imports it, or the reason why it will not do.

A broker that forgets a message, or gives it to everybody, cannot be adopted: a row is sent once, and once more when its
message is known to be lost. A pickle on the wire is the app's own choice; it is told of, and not forbidden.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING

from taskiq import AsyncBroker, InMemoryBroker, async_shared_broker
from taskiq.brokers.zmq_broker import ZeroMQBroker
from taskiq.serializers import PickleSerializer
from taskiq_redis import (
    ListQueueBroker,
    ListQueueClusterBroker,
    ListQueueSentinelBroker,
    PubSubBroker,
    PubSubSentinelBroker,
)

from horarium.adopting.broker import AdoptedBroker
from horarium.errors import ConfigurationError
from horarium.tasks.registry import TaskTypes, import_task_modules, look_in_current_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from horarium.settings import Settings

__all__ = ["PICKLE_REMEDY", "become_default", "import_broker", "known_task_types", "pickles_of", "task_types_of"]

LISTS = (ListQueueBroker, ListQueueClusterBroker, ListQueueSentinelBroker)
BROADCASTS = (PubSubBroker, PubSubSentinelBroker, ZeroMQBroker)

PICKLE_REMEDY = "give it taskiq.serializers.JSONSerializer(): whoever can write there can run code where it is read"


def import_broker(spec: str) -> AsyncBroker:
    """The broker at `module:attribute`, or what the function there returns; raises ConfigurationError."""
    module_name, _, attribute = spec.partition(":")
    look_in_current_directory()
    try:
        found = getattr(importlib.import_module(module_name), attribute)
        if inspect.isfunction(found):
            found = found()
    except Exception as error:
        raise _refusal(spec, f"cannot be imported: {type(error).__name__}: {error}") from error
    if not isinstance(found, AsyncBroker):
        raise _refusal(spec, f"is {type(found).__name__}, and not a taskiq AsyncBroker or a function that returns one")
    if (why := _unfit(found)) is not None:
        raise _refusal(spec, f"is {type(found).__name__}, which {why}")
    return found


def _unfit(broker: AsyncBroker) -> str | None:
    """Why this kind of broker cannot carry what must not be lost; None for one that can."""
    lasting = "use taskiq_redis.RedisStreamBroker or taskiq_aio_pika.AioPikaBroker"
    if isinstance(broker, InMemoryBroker):
        return f"runs tasks in the process that kicks them and forgets them with it; {lasting}"
    if isinstance(broker, LISTS):
        return f"takes a message out of Redis before its task runs, so that a killed worker loses it; {lasting}"
    if isinstance(broker, BROADCASTS):
        return f"gives a message to every worker that listens just then, or to nobody; {lasting}"
    if isinstance(broker, type(async_shared_broker)):
        return "only stands in for another one; name the broker that really sends"
    return None


def _refusal(spec: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"HORARIUM_BROKER: {spec} {why}")


def pickles_of(broker: AsyncBroker) -> Iterator[str]:
    """What of the app puts pickles on a wire, in words."""
    if _pickles(broker.serializer):
        yield f"the serializer of its messages is {type(broker.serializer).__name__}"
    serializer = getattr(broker.result_backend, "serializer", None)
    if _pickles(serializer):
        yield f"{type(broker.result_backend).__name__} keeps results with {type(serializer).__name__}"


def known_task_types(adopted: AdoptedBroker | None, *, allow_shell: bool) -> TaskTypes:
    """The task types of this process: the app's beside those that are shared, or these alone."""
    if adopted is None:
        return TaskTypes(allow_shell=allow_shell)
    return TaskTypes(adopted.app.get_all_tasks(), allow_shell=allow_shell, queue_of=adopted.queue_of)


def task_types_of(settings: Settings) -> TaskTypes:
    """The same for a process that runs none of them: what the settings name is imported, and nothing is started."""
    app = None if settings.broker is None else import_broker(settings.broker)
    import_task_modules(settings.task_modules)
    adopted = None if app is None else AdoptedBroker(app, works=False, sends=True)
    return known_task_types(adopted, allow_shell=settings.allow_shell)


def become_default(broker: AsyncBroker) -> None:
    """Send what shared tasks kick through this broker, unless the app has named another."""
    if async_shared_broker._default_broker is None:  # noqa: SLF001 - taskiq has no other way to ask
        async_shared_broker.default_broker(broker)


def _pickles(serializer: object) -> bool:
    return isinstance(serializer, PickleSerializer) or "pickle" in type(serializer).__name__.lower()
