"""What can be done to a config, one function each, so that a test can say of many of them what holds for all."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from horarium.model import TaskConfigPatch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

    from horarium.errors import InvalidInput
    from tests.support.rig import Rig

    Action: TypeAlias = Callable[[Rig, int], Awaitable[Any]]

__all__ = ["Action", "delete", "edit", "fields_of", "pause", "reload", "rename", "resume", "run", "start", "stop"]


async def start(rig: Rig, config: int) -> None:
    await rig.task_configs.start(config)


async def stop(rig: Rig, config: int) -> None:
    await rig.task_configs.stop(config)


async def pause(rig: Rig, config: int, *, seconds: float | None = None) -> Any:
    """Pause it, for so long or without an end."""
    until = None if seconds is None else rig.clock.now + timedelta(seconds=seconds)
    return await rig.task_configs.pause(config, reason="a holiday", until=until)


async def resume(rig: Rig, config: int) -> None:
    await rig.task_configs.resume(config)


async def delete(rig: Rig, config: int) -> None:
    await rig.task_configs.delete(config, version=None)


async def edit(rig: Rig, config: int, *, version: int | None = None, **fields: object) -> Any:
    return await rig.task_configs.edit(config, TaskConfigPatch.model_validate(fields), version=version)


async def rename(rig: Rig, config: int) -> None:
    await edit(rig, config, name="new")


async def reload(rig: Rig, config: int) -> None:
    await rig.task_configs.reload(config)


async def run(rig: Rig, config: int) -> None:
    await rig.manual_run(config)


def fields_of(refusal: pytest.ExceptionInfo[InvalidInput]) -> list[str]:
    """The fields that a refusal names, as dotted paths."""
    return [".".join(map(str, error.loc)) for error in refusal.value.errors]
