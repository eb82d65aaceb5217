"""What users do to the configs of a world, each deed noted in its books."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from horarium.model import TaskConfigPatch
from tests.support.books import Books

__all__ = ["ConfigLives"]


@dataclass
class ConfigLives(Books):
    """The deeds; one that makes no sense for a config as it is does nothing. `lets_overlap`: those that ever did."""

    lets_overlap: set[int] = field(default_factory=set)

    async def create(self, schedule: dict[str, Any], policies: dict[str, Any]) -> None:
        config = await self.rig.config(task_type="echo", **self._dated(schedule), **policies)
        self.eras[config] = []
        await self._era_begins(config)
        self._note_overlap(config, policies)

    async def change_policies(self, config: int, policies: dict[str, Any]) -> None:
        """Another overlap, catch-up or jitter for the same ticks."""
        if await self._status(config):
            await self.rig.task_configs.edit(config, TaskConfigPatch(**policies), version=None)
            self._note_overlap(config, policies)
            self.tally["policies changed"] += 1

    async def rename(self, config: int) -> None:
        """A new version with the same ticks: what the index holds is out of date until it is loaded again."""
        if await self._status(config):
            await self.rig.task_configs.edit(config, TaskConfigPatch(description="renamed"), version=None)

    async def reschedule(self, config: int, schedule: dict[str, Any]) -> None:
        status = await self._status(config)
        if status:
            await self.rig.task_configs.edit(config, TaskConfigPatch(**self._dated(schedule)), version=None)
            await self._era_ends(config)
        if status in ("active", "paused"):
            await self._era_begins(config)

    async def pause(self, config: int, seconds: int | None = None) -> None:
        """For so long, or without an end."""
        if await self._status(config) == "active":
            until = None if seconds is None else self.rig.clock.now + timedelta(seconds=seconds)
            await self.rig.task_configs.pause(config, reason=None, until=until)

    async def resume(self, config: int) -> None:
        if await self._status(config) == "paused":
            await self.rig.task_configs.resume(config)

    async def stop(self, config: int) -> None:
        if await self._status(config) in ("active", "paused"):
            await self.rig.task_configs.stop(config)
            await self._era_ends(config)

    async def start(self, config: int) -> None:
        if await self._status(config) == "inactive":
            await self.rig.task_configs.start(config)
            await self._era_begins(config)

    async def delete(self, config: int) -> None:
        if await self._status(config):
            await self.rig.task_configs.delete(config, version=None)
            await self._era_ends(config)

    async def run_by_hand(self, config: int) -> None:
        if await self._status(config):
            await self.rig.manual_run(config)

    def _note_overlap(self, config: int, policies: dict[str, Any]) -> None:
        if policies["overlap"] == "allow_all":
            self.lets_overlap.add(config)

    def _dated(self, schedule: dict[str, Any]) -> dict[str, Any]:
        """The schedule with its instants, which are given in seconds from now."""
        fields: dict[str, Any] = {"start_at": None, "end_at": None, **schedule}
        for name in ("start_at", "end_at"):
            fields[name] = None if fields[name] is None else self.rig.clock.now + timedelta(seconds=fields[name])
        if "run_in" in schedule["schedule_config"]:
            run_at = self.rig.clock.now + timedelta(seconds=schedule["schedule_config"]["run_in"])
            fields["schedule_config"] = {"run_date": run_at.isoformat()}
        return fields
