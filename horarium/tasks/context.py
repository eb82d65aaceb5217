"""What a task may ask for about itself: taskiq's `Context`, and with it a way to say how far the task has come.

    from horarium import Context, task

    @task("reports.send_daily")
    async def send_daily(region: str, ctx: Context) -> None:
        ctx.progress(0.4, "loading")

`@task` writes the `TaskiqDepends()` by which taskiq fills it in; a task that taskiq's own decorator declares does so
itself. It is made of taskiq's own, and so can be had wherever taskiq resolves dependencies; where no attempt of
Horarium's runs, progress goes nowhere. A plain function has one as well, with the message, and no broker in its own
process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taskiq import Context as TaskiqContext
from taskiq import TaskiqDepends
from taskiq.depends.progress_tracker import ProgressTracker, TaskState

from horarium.tasks.report import current, known_progress

if TYPE_CHECKING:
    from taskiq.message import TaskiqMessage
    from taskiq_dependencies import DependencyGraph

__all__ = ["Context", "contexts"]


class Context(TaskiqContext):
    """taskiq's context of a message, with `progress`."""

    def __init__(self, given: TaskiqContext = TaskiqDepends()) -> None:  # noqa: B008 - how taskiq declares dependencies
        self.__dict__.update(given.__dict__)
        self._reporter = current.get()

    def progress(self, value: float, message: str | None = None) -> None:
        """Say how much is done, from 0 to 1, and if you like in which words; may be called from any thread.

        Returns at once, whatever servers are away: it is written down, and told live, within about a second. `message`
        keeps its first 300 characters; without one the last message stands. Raises ValueError for any other value.
        """
        said = known_progress(value, message)
        reporter = self._reporter or current.get()
        if reporter is not None:
            reporter.progress(*said)

    def __getattr__(self, name: str) -> Any:
        """Tell a plain function why something is not there."""
        if name in ("broker", "state"):
            raise AttributeError(
                f"a plain function runs in a process of its own, which has no {name}; make it an async def"
            )
        raise AttributeError(name)

    def __reduce__(self) -> tuple[Any, ...]:
        """As it is had in another process."""
        return _elsewhere, (self.message,)


def _elsewhere(message: TaskiqMessage) -> Context:
    context = Context.__new__(Context)
    context.__dict__.update(message=message, _ack_controller=None, _reporter=None)
    return context


class _Tracker(ProgressTracker[Any]):
    """taskiq's tracker: what it is told goes to the result backend, and is shown as the attempt's progress as well."""

    async def set_progress(self, state: TaskState | str, meta: Any | None = None) -> None:
        await super().set_progress(state, meta)
        reporter = current.get()
        if reporter is not None:
            reporter.progress(*_as_progress(state, meta))


def _as_progress(state: TaskState | str, meta: Any) -> tuple[float | None, str | None]:
    """A share that is done where `meta` is one; the state, and whatever else `meta` says, in words."""
    name = state.value if isinstance(state, TaskState) else str(state)
    if isinstance(meta, int | float) and not isinstance(meta, bool) and 0 <= meta <= 1:
        return known_progress(meta, name)
    return known_progress(None, name if meta is None else f"{name}: {meta}")


def contexts(given: TaskiqContext, graph: DependencyGraph) -> dict[Any, Any]:
    """What a task gets that asks for a context, ours or taskiq's, or for a tracker of progress of whatever type."""
    context = Context(given)
    known: dict[Any, Any] = {TaskiqContext: context, Context: context}
    asked = [each.dependency for each in graph.ordered_deps if _origin(each.dependency) is ProgressTracker]
    return known | dict.fromkeys(asked, _Tracker(context)) if asked else known


def _origin(dependency: Any) -> Any:
    return getattr(dependency, "__origin__", dependency)
