"""The awaitable that cancels at the k-th checkpoint does so exactly there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import anyio
import pytest
from anyio.lowlevel import cancel_shielded_checkpoint, checkpoint

from tests.support.checkpoints import Ending, cancelled_at, cancelled_at_every_checkpoint, task_cancelled_at

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Steps:
    """Coroutines that note how far they have come."""

    passed: list[int] = field(default_factory=list)

    async def three(self) -> None:
        for number in (1, 2, 3):
            await asyncio.sleep(0)
            self.passed.append(number)

    async def waits(self) -> None:
        """Three checkpoints, each of which waits for what does not come by itself."""
        for number in (1, 2, 3):
            event = anyio.Event()
            asyncio.get_running_loop().call_later(0.001, event.set)
            await event.wait()
            self.passed.append(number)

    async def shields(self) -> None:
        """One checkpoint, two in a shield, one."""
        await asyncio.sleep(0)
        with anyio.CancelScope(shield=True):
            await cancel_shielded_checkpoint()
            await asyncio.sleep(0)
            self.passed.append(2)
        await asyncio.sleep(0)
        self.passed.append(3)

    async def ends_in_a_shield(self) -> None:
        with anyio.CancelScope(shield=True):
            await asyncio.sleep(0)
        self.passed.append(1)

    async def waits_in_its_cleanup(self) -> None:
        try:
            await asyncio.sleep(0)
        finally:
            self.passed.append(1)
            await asyncio.sleep(0)
            self.passed.append(2)

    async def group(self) -> None:
        """Two children with three checkpoints each; the parent waits for them at one of its own."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.three)
            group.start_soon(self.three)

    async def leaves_a_task(self) -> None:
        """A task that goes on behind a shield when the step is cancelled."""
        await asyncio.shield(self.three())


@pytest.mark.parametrize(("at", "passed"), [(1, []), (2, [1]), (3, [1, 2])])
@pytest.mark.parametrize("cancelled_at", [cancelled_at, task_cancelled_at])
@pytest.mark.parametrize("kind", ["three", "waits"])
async def test_a_step_is_cut_off_at_exactly_its_kth_checkpoint(
    kind: str, cancelled_at: object, at: int, passed: list[int]
) -> None:
    steps = Steps()

    assert await cancelled_at(at, getattr(steps, kind)) is Ending.CANCELLED  # type: ignore[operator]
    assert steps.passed == passed


@pytest.mark.parametrize("cancelled_at", [cancelled_at, task_cancelled_at])
@pytest.mark.parametrize("kind", ["three", "waits"])
async def test_a_step_with_three_checkpoints_ends_before_its_fourth(kind: str, cancelled_at: object) -> None:
    steps = Steps()

    assert await cancelled_at(4, getattr(steps, kind)) is Ending.BEFORE  # type: ignore[operator]
    assert steps.passed == [1, 2, 3]


@pytest.mark.parametrize(("at", "passed"), [(1, []), (2, [2]), (3, [2]), (4, [2])])
async def test_a_cancellation_in_a_shield_takes_effect_at_the_first_checkpoint_after_it(
    at: int, passed: list[int]
) -> None:
    steps = Steps()

    assert await cancelled_at(at, steps.shields) is Ending.CANCELLED
    assert steps.passed == passed


async def test_a_step_that_is_shielded_to_its_end_came_to_its_checkpoint_and_ended_all_the_same() -> None:
    steps = Steps()

    endings = [await cancelled_at(1, steps.ends_in_a_shield), await cancelled_at(2, steps.ends_in_a_shield)]

    assert endings == [Ending.ALL_THE_SAME, Ending.BEFORE]
    assert steps.passed == [1, 1]


async def test_a_scope_cancels_what_cleans_up_again_and_a_task_is_cancelled_once() -> None:
    by_scope, by_task = Steps(), Steps()

    await cancelled_at(1, by_scope.waits_in_its_cleanup)
    await task_cancelled_at(1, by_task.waits_in_its_cleanup)

    assert (by_scope.passed, by_task.passed) == ([1], [1, 2])


async def test_the_checkpoints_of_child_tasks_count_and_all_tasks_are_cancelled() -> None:
    steps = Steps()

    endings = [await cancelled_at(7, steps.group), await cancelled_at(8, steps.group)]

    assert endings == [Ending.CANCELLED, Ending.BEFORE]
    assert sorted(steps.passed) == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]


async def test_what_goes_on_behind_a_shield_counts_and_is_not_cancelled() -> None:
    steps = Steps()

    assert await cancelled_at(3, steps.leaves_a_task) is Ending.CANCELLED
    passed = list(steps.passed)
    await anyio.wait_all_tasks_blocked()

    assert (passed, steps.passed) == ([1], [1, 2, 3])


async def test_tasks_of_others_do_not_count() -> None:
    steps, others = Steps(), Steps()

    async with anyio.create_task_group() as group:
        group.start_soon(others.waits)
        await checkpoint()
        ending = await cancelled_at(4, steps.three)

    assert ending is Ending.BEFORE
    assert others.passed == [1, 2, 3]


async def test_an_error_of_the_step_is_raised() -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError

    with pytest.raises(LookupError):
        await cancelled_at(2, fails)
    with pytest.raises(LookupError):
        await task_cancelled_at(2, fails)


@dataclass
class Play(Steps):
    """A scene that writes down what is done with it."""

    done: list[str] = field(default_factory=list)

    async def given(self) -> None:
        self.done.append("given")

    async def step(self) -> None:
        await self.three()

    async def sound(self) -> None:
        self.done.append("sound")

    async def then(self) -> None:
        self.done.append("then")


async def test_a_scene_is_played_once_for_each_checkpoint_and_then_to_its_end_three_times() -> None:
    play = Play()

    checkpoints = await cancelled_at_every_checkpoint(play, play.sound)

    assert checkpoints == 3
    assert play.passed == [1, 1, 2, *[1, 2, 3] * 3]
    assert play.done == ["given", "sound", "then"] * 6


async def test_a_scene_that_goes_wrong_says_at_which_checkpoint() -> None:
    play = Play()

    async def unsound() -> None:
        assert play.passed != [1]

    with pytest.raises(AssertionError) as wrong:
        await cancelled_at_every_checkpoint(play, unsound)
    assert wrong.value.__notes__ == ["Play, cancelled at checkpoint 2"]
