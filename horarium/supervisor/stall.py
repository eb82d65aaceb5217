"""Sees that the event loop is blocked, from a thread of its own, and says by what.

A call that blocks stops every child at once, and nothing that runs in the loop can tell of it. So a beat in the loop
notes the time, and a thread compares. Once the loop is silent for the threshold, the thread says so at once, with the
stack of the loop's thread: its source lines, never the values of its variables. It says so again each time the stall
has doubled, and once more when the loop is back.

The thread alone calls the hook, so that its events come in order; the ring belongs to the loop, so the beat records
them, once the loop is back. `stalled_for` asks neither of the two: it holds even while the hook blocks (the loop's
thread may hang in a write to a full pipe with the log's lock in its hands). When the hook raises, the thread goes on,
and the loop tells that event again as soon as it can; an error then is raised there, as in a supervisor's own hook.

What this cannot see: C code that keeps the GIL stops the thread too, and the whole process can be stopped from outside.
Such a stall is told of afterwards, as recovered, without a stack of its own.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections import deque
from typing import TYPE_CHECKING

import anyio

from horarium.supervisor.events import LoopRecovered, LoopStalled, ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskStatus

    from horarium.supervisor.events import EventRing, SupervisionEvent

__all__ = ["StallMonitor"]

THRESHOLD_SECONDS = 1.0
BEAT_SECONDS = 0.1
JOIN_SECONDS = 1.0
"""How long the end waits for the thread, which only a hook that blocks can keep."""
MOST_FRAMES = 64
"""Frames of a stack, the innermost ones."""
MOST_WAITING = 64
"""Events that wait for the loop; within one stall they are few, as each comes after twice the time."""


class StallMonitor:
    """Watches the event loop that `run` runs in; seconds throughout.

    `clock` is a monotonic one that any thread may read, which the loop's own is not. `on_lag` is told, in the loop and
    at each of its beats, how much later than asked for that came.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        threshold: float = THRESHOLD_SECONDS,
        interval: float = BEAT_SECONDS,
        on_lag: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._pulse = _Pulse(clock, threshold)
        self._interval = interval
        self._on_lag = on_lag

    async def run(
        self,
        supervisor: str,
        ring: EventRing,
        on_event: Callable[[SupervisionEvent], None],
        *,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Watch until cancelled. The events name `supervisor`, the root; `on_event` is called in another thread."""
        watcher = _Watcher(self._pulse, self._interval, supervisor, on_event)
        self._pulse.beat()
        watcher.start()
        task_status.started()
        try:
            while True:
                due = self._clock() + self._interval
                await anyio.sleep(self._interval)
                self._on_lag(max(self._clock() - due, 0.0))
                self._pulse.beat()
                watcher.hand_over(ring)
        finally:
            self._pulse.end()
            watcher.end()
            watcher.hand_over(ring)

    def stalled_for(self) -> float:
        """For how long the loop has run nothing; 0.0 while that is within the threshold. Thread safe."""
        return self._pulse.stalled_for()


class _Pulse:
    """When the loop last ran: written by the loop, read by any thread."""

    def __init__(self, clock: Callable[[], float], threshold: float) -> None:
        self._clock = clock
        self._threshold = threshold
        self.beaten_at: float | None = None
        self.overcome: deque[float] = deque(maxlen=MOST_WAITING)

    def beat(self) -> None:
        if silence := self.stalled_for():
            self.overcome.append(silence)
        self.beaten_at = self._clock()

    def end(self) -> None:
        self.beat()
        self.beaten_at = None

    def stalled_for(self) -> float:
        beaten_at = self.beaten_at
        silence = 0.0 if beaten_at is None else self._clock() - beaten_at
        return silence if silence >= self._threshold else 0.0


class _Watcher(threading.Thread):
    """The thread. What it has told waits for the loop to record it."""

    def __init__(
        self, pulse: _Pulse, interval: float, supervisor: str, on_event: Callable[[SupervisionEvent], None]
    ) -> None:
        super().__init__(name="stall-monitor", daemon=True)
        self._pulse = pulse
        self._interval = interval
        self._supervisor = supervisor
        self._on_event = on_event
        self._loop_thread = threading.get_ident()
        self._ending = threading.Event()
        self._last_told = 0.0
        self._waiting: deque[tuple[SupervisionEvent, bool]] = deque(maxlen=MOST_WAITING)

    def run(self) -> None:
        while not self._ending.wait(self._interval):
            self._look()
        self._look()  # a stall that only the end overcame is told of, too

    def end(self) -> None:
        """End the thread, unless its hook keeps it; called by the loop."""
        self._ending.set()
        self.join(JOIN_SECONDS)

    def hand_over(self, ring: EventRing) -> None:
        """Record what was told, and tell what the hook refused; called by the loop."""
        while self._waiting:
            event, told = self._waiting.popleft()
            ring.record(event)
            if not told:
                self._on_event(event)

    def _look(self) -> None:
        while self._pulse.overcome:
            self._tell(LoopRecovered(self._supervisor, ms(self._pulse.overcome.popleft())))
            self._last_told = 0.0
        seen, silence = self._pulse.beaten_at, self._pulse.stalled_for()
        if silence and silence >= 2 * self._last_told:
            stack = self._stack()
            if self._pulse.beaten_at == seen:  # or else the loop was back before its stack was taken
                self._last_told = silence
                self._tell(LoopStalled(self._supervisor, ms(silence), stack))

    def _tell(self, event: SupervisionEvent) -> None:
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001 - not swallowed: the loop calls the hook again, and raises what that raises
            self._waiting.append((event, False))
        else:
            self._waiting.append((event, True))

    def _stack(self) -> str:
        frames = sys._current_frames()  # noqa: SLF001 - documented; the only view of another thread
        return "".join(traceback.format_stack(frames[self._loop_thread], MOST_FRAMES))
