"""A supervisor's record of one child: everything that is known about it, over all its incarnations.

The record is plain state. The pure rules of `order` read it, the loop of `branch` changes it, and a snapshot is a copy
of it. It outlives the incarnations, so that counting goes on when a whole subtree is started anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

import anyio

from horarium.supervisor.decision import Bystander, LetGo

if TYPE_CHECKING:
    from horarium.supervisor.branch import Branch
    from horarium.supervisor.decision import Fate
    from horarium.supervisor.life import Life
    from horarium.supervisor.snapshot import LastExit
    from horarium.supervisor.spec import ChildSpec
    from horarium.supervisor.watch import Watch

__all__ = ["Child", "Phase"]


class Phase(Enum):
    """Where a child stands: DRAINING was asked to stop, STOPPING is cancelled, UNSTOPPED is past its deadline."""

    DOWN = auto()
    STARTING = auto()
    RUNNING = auto()
    DRAINING = auto()
    STOPPING = auto()
    UNSTOPPED = auto()


@dataclass(eq=False)
class Child:
    """One child; instants in seconds of `anyio.current_time()`.

    `leaving` says that its supervisor wants it stopped, and `fate` what for, if it is not for the supervisor's own
    stop. `due` is the earliest instant of the next start, `deadline` the end of the present phase. `ended` children
    are not started again. `ready_once` is reset with the supervisor, `incarnation` and `restarts` never. `news` is
    set, and made anew, whenever the child became ready or ended.
    """

    spec: ChildSpec
    nested: Branch | None = None
    phase: Phase = Phase.DOWN
    life: Life | None = None
    incarnation: int = 0
    restarts: int = 0
    attempt: int = 0
    carried: int = 0
    due: float = -math.inf
    deadline: float = math.inf
    ready_once: bool = False
    ended: bool = False
    leaving: bool = False
    fate: Fate | None = None
    exited_at: float | None = None
    last_exit: LastExit | None = None
    watches: list[Watch] = field(default_factory=list)
    news: anyio.Event = field(default_factory=anyio.Event)

    @property
    def up(self) -> bool:
        """True while an incarnation is starting or running and nobody has begun to stop it."""
        return self.phase in {Phase.STARTING, Phase.RUNNING}

    @property
    def ending(self) -> bool:
        """True while an incarnation is being stopped within its deadlines."""
        return self.phase in {Phase.DRAINING, Phase.STOPPING}

    @property
    def wants_start(self) -> bool:
        """True for a child that should run and does not."""
        return not self.ended and not self.let_go and self.phase in {Phase.DOWN, Phase.UNSTOPPED}

    @property
    def let_go(self) -> bool:
        """True for a child that does not come back once its present incarnation has ended."""
        return isinstance(self.fate, LetGo) or (isinstance(self.fate, Bystander) and self.spec.restart == "temporary")

    @property
    def next_instant(self) -> float:
        """The next instant at which something about the child falls due by itself."""
        instant = min(self.deadline, self.due if self.wants_start else math.inf)
        if self.phase is Phase.RUNNING and self.life is not None and self.life.watchdog is not None:
            instant = min(instant, self.life.watchdog.next_look)
        return instant

    def enter(self, phase: Phase, *, within: float = math.inf) -> None:
        """Begin a phase that must end `within` so many seconds."""
        self.phase = phase
        self.deadline = anyio.current_time() + within

    def was_healthy(self) -> bool:
        """Say whether the last incarnation ran long enough, since it was ready, to count as healthy."""
        life = self.life
        if life is None or life.alive or life.ready_at is None or life.well_until is None:
            return False
        return life.well_until - life.ready_at >= self.spec.backoff.reset_after

    def forget(self) -> None:
        """Be as new, for a supervisor that is started anew; the totals stay."""
        self.attempt = 0
        self.due, self.deadline = -math.inf, math.inf
        self.ready_once = self.ended = self.leaving = False
        self.fate = None

    def tell(self) -> None:
        """Wake whoever waits for news of the child."""
        self.news.set()
        self.news = anyio.Event()
