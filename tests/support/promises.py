"""What a tree promises, checked against the records of those who took part.

`Promises` listens to a troupe: to every start of an actor and to every event, each checked in the instant in which it
happens. `check` compares the records when the tree has nothing left to do for the moment, `check_rest` after a time in
which everything that wants to run must have come back, and `check_end` when the tree is over. A broken promise is a
sentence in `troupe.broken`; nothing is raised inside of the tree, which would take it for a child's failure.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from horarium.supervisor import (
    ChildExited,
    ChildHung,
    ChildSpec,
    ChildStarted,
    ChildUnstopped,
    Escalate,
    LetGo,
    Requested,
    RestartAfter,
    ShutDown,
    StillRunning,
    SupervisorEscalated,
    SupervisorSpec,
    SupervisorStopped,
)
from tests.support import correspondence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.scripted import Actor, Incarnation
    from tests.support.troupe import Heard, Troupe

__all__ = ["Promises"]

Spec = ChildSpec | SupervisorSpec

SLACK = 1e-6
"""Seconds that sums of floats may be off."""

BRUTAL, GRACE = 0.1, 1.0
"""Seconds: what a cancelled child has at least, and what a nested supervisor has beyond its children's deadlines."""


@dataclass
class Standing:
    """What the events say of one child since its supervisor was started: `up` is ready and not judged since."""

    ready_once: bool = False
    up: bool = False
    done: bool = False
    unstopped: bool = False
    ready_at: float = math.inf
    exited_at: float = -math.inf
    failures: int = 0


@dataclass
class Reign:
    """One supervisor: its restarts that count, whether it has ended, and until when it must have stopped."""

    over: bool = True
    restarts: list[float] = field(default_factory=list)
    stop_by: float = math.inf
    stopped: bool = False
    left_children: bool = False


class Promises:
    """The promises of one troupe's tree."""

    def __init__(self, troupe: Troupe) -> None:
        self._troupe = troupe
        self._standing: defaultdict[str, Standing] = defaultdict(Standing)
        self._reigns: defaultdict[str, Reign] = defaultdict(Reign)
        troupe.on_event = self._heard
        troupe.on_begin = self._began

    # In the instant in which something happens.

    def _began(self, actor: Actor, me: Incarnation) -> None:
        self._demand(actor.live is None, f"{actor.id} has two live incarnations")
        self._demand(me.number == len(actor.lives) + 1, f"{actor.id}: incarnation {me.number} is out of turn")
        self._demand(actor.id not in self._troupe.removed, f"{actor.id} was removed and starts")
        asked = self._troupe.stop_asked_at
        for supervisor, child in self._ancestry(actor.id):
            top = supervisor.id == "root" and (isinstance(child, ChildSpec) or self._reigns[child.id].over)
            self._demand(not top or asked is None or me.began_at <= asked, f"{child.id} starts after the stop")
            if isinstance(child, ChildSpec) or self._reigns[child.id].over:
                self._check_start(supervisor, child, me.began_at)
                # It was on its way when the stop began, in the same instant.
                self._reigns[supervisor.id].stop_by += self._most_to_stop(child)
            if isinstance(child, SupervisorSpec):
                self._begin_reign(child)

    def _begin_reign(self, spec: SupervisorSpec) -> None:
        if self._reigns[spec.id].over:
            self._reigns[spec.id] = Reign(over=False)
            for child in spec.children:
                self._standing[child.id] = Standing()

    def _check_start(self, supervisor: SupervisorSpec, child: Spec, now: float) -> None:
        """Whoever comes before is ready or done; in a group restart, whoever comes after is down."""
        position = [c.id for c in supervisor.children].index(child.id)
        alone = supervisor.strategy == "one_for_one"
        for earlier in supervisor.children[:position]:
            standing = self._standing[earlier.id]
            ready = standing.ready_once if alone else standing.up or standing.exited_at == now
            self._demand(ready or standing.done, f"{child.id} starts before {earlier.id} is ready or done")
        for later in () if alone else supervisor.children[position + 1 :]:
            self._demand(not self._runs(later), f"{child.id} starts while {later.id} still runs")

    def _heard(self, heard: Heard) -> None:
        match heard.event:
            case ChildStarted(child=child):
                self._started(child, heard)
            case ChildUnstopped(child=child, incarnation=incarnation):
                self._standing[child].unstopped = True
                self._reigns[child].stop_by = math.inf  # cut short: its parent goes on without it
                if (actor := self._troupe.actors.get(child)) is not None:
                    life = actor.lives[incarnation - 1]
                    life.unstopped = True
                    self._demand(life.alive or life.ended_at == heard.at, f"{child} is unstopped, but has ended")
            case ChildHung(child=child, incarnation=incarnation, silent_ms=silent_ms):
                self._troupe.actors[child].lives[incarnation - 1].well_until = heard.at - silent_ms / 1000
            case ChildExited():
                self._exited(heard.event, heard.at)
            case SupervisorEscalated(supervisor=supervisor):
                self._stops(supervisor, heard.at)
            case SupervisorStopped(supervisor=supervisor, unstopped=unstopped):
                self._stopped(supervisor, unstopped, heard.at)

    def _started(self, child: str, heard: Heard) -> None:
        spec = self._spec(child)
        if isinstance(spec, SupervisorSpec):
            self._begin_reign(spec)
        standing = self._standing[child]
        standing.ready_once = standing.up = True
        standing.unstopped = False
        standing.ready_at = heard.at
        if (actor := self._troupe.actors.get(child)) is not None:
            self._demand(actor.lives[-1].ready_at is not None, f"{child} is told ready, and is not")

    def _exited(self, event: ChildExited, now: float) -> None:
        refused = isinstance(event.error, StillRunning)
        if (actor := self._troupe.actors.get(event.child)) is not None:
            self._note_exit(actor, event, now, refused=refused)
        spec = self._spec(event.child)
        standing = self._standing[event.child]
        if spec is not None and isinstance(event.decision, RestartAfter | Escalate):
            self._count_failure(spec, standing, event, now)
        standing.up = False
        standing.exited_at = now
        standing.done = isinstance(event.decision, LetGo | ShutDown | Escalate)
        if spec is not None and isinstance(spec, SupervisorSpec) and not refused:
            self._reigns[spec.id].over, self._reigns[spec.id].stop_by = True, math.inf
        if isinstance(event.decision, RestartAfter | Requested):
            self._revive(event)
        if isinstance(event.decision, ShutDown):
            self._stops(event.supervisor, now)

    def _note_exit(self, actor: Actor, event: ChildExited, now: float, *, refused: bool) -> None:
        self._demand(0 < event.incarnation <= len(actor.lives), f"{actor.id} exits in an incarnation that never was")
        life = actor.lives[event.incarnation - 1]
        self._demand(event.incarnation == len(actor.lives), f"{actor.id} exits in incarnation {event.incarnation}")
        if refused:
            self._demand(life.alive or life.ended_at == now, f"{actor.id} is told to run still, and does not")
            return
        self._demand(not life.alive or life.unstopped, f"{actor.id} exits, and runs")
        life.exits.append(event)
        self._settle_hand(actor, life, event)

    def _settle_hand(self, actor: Actor, life: Incarnation, event: ChildExited) -> None:
        cut_off = life.alive or life.cancelled or event.reason not in {"normal", "shutdown"}
        if (post := self._troupe.posts.get(actor.id)) is not None and cut_off:
            post.lost += life.in_hand
        else:
            actor.handled += life.in_hand
        life.in_hand.clear()

    def _count_failure(self, spec: Spec, standing: Standing, event: ChildExited, now: float) -> None:
        """A restart is within both limits, and who gives up is past one of them."""
        actor = self._troupe.actors.get(spec.id)
        if actor is not None:
            healthy = actor.lives[-1].healthy(spec.backoff.reset_after)
        else:
            left = standing.unstopped or self._reigns[spec.id].left_children
            healthy = not left and standing.up and now - standing.ready_at >= spec.backoff.reset_after
        standing.failures = 1 if healthy else standing.failures + 1
        supervisor = self._supervisor(event.supervisor)
        restarts = self._reigns[event.supervisor].restarts
        restarts.append(now)
        crowd = sum(now - then < supervisor.period for then in restarts)
        in_a_row = spec.max_failures is not None and standing.failures > spec.max_failures
        match event.decision:
            case RestartAfter(attempt=attempt, delay=delay):
                self._demand(crowd <= supervisor.intensity, f"{crowd} restarts of {supervisor.id} within its period")
                self._demand(not in_a_row, f"{spec.id} comes back after {standing.failures} failures in a row")
                self._demand(attempt == standing.failures, f"{spec.id}: attempt {attempt}, not {standing.failures}")
                self._demand(0 <= delay <= spec.backoff.maximum, f"{spec.id}: a delay of {delay} s")
            case Escalate(limit=limit):
                passed = in_a_row if "in a row" in limit else crowd > supervisor.intensity
                self._demand(passed, f"{supervisor.id} gives up, though within its limits: {limit}")

    def _revive(self, event: ChildExited) -> None:
        """Transient children that were done run again with the group."""
        supervisor = self._supervisor(event.supervisor)
        ids = [child.id for child in supervisor.children]
        first = {"one_for_one": len(ids), "rest_for_one": ids.index(event.child) + 1, "one_for_all": 0}
        for child in supervisor.children[first[supervisor.strategy] :]:
            if child.restart == "transient" and child.id != event.child:
                self._standing[child.id].done = False

    def _stops(self, supervisor: str, now: float) -> None:
        reign = self._reigns[supervisor]
        reign.stop_by = min(reign.stop_by, now + sum(map(self._time_to_stop, self._supervisor(supervisor).children)))

    def _stopped(self, supervisor: str, unstopped: tuple[str, ...], now: float) -> None:
        reign = self._reigns[supervisor]
        in_time = now <= reign.stop_by + SLACK or supervisor in self._troupe.killed
        self._demand(in_time, f"{supervisor} stops {now - reign.stop_by:g} s late")
        reign.stop_by, reign.stopped, reign.left_children = math.inf, True, bool(unstopped)
        for child in self._supervisor(supervisor).children:
            live = list(self._live_below(child))
            named = child.id in unstopped
            just_ended = any(a.lives and a.lives[-1].ended_at == now for a in self._actors_below(child))
            self._demand(named or not live, f"{supervisor} stops without {child.id}, and does not name it")
            self._demand(not named or live or just_ended, f"{supervisor} names {child.id} unstopped, but it has ended")

    # When the tree has nothing to do for the moment.

    def stop_asked(self, now: float, *, at_once: bool) -> None:
        """Note that the root was told to stop."""
        root = self._troupe.supervisor.spec
        if self._reigns[root.id].stopped:
            return
        self._stops(root.id, now)
        if at_once:
            live = [spec for spec in root.workers() if any(self._live_below(spec))]
            below = [spec for spec in root.walk() if isinstance(spec, SupervisorSpec) and spec is not root]
            longest = max(
                [_shutdown_seconds(spec) for spec in live] + [GRACE + (s.shutdown or 0.0) for s in below] + [0.0]
            )
            self._reigns[root.id].stop_by = min(self._reigns[root.id].stop_by, now + longest)

    def check(self, now: float) -> None:
        """Compare the records."""
        for actor in self._troupe.actors.values():
            self._check_exits(actor)
        self._troupe.broken += correspondence.faults(self._troupe, now)
        for supervisor, reign in self._reigns.items():
            in_time = now <= reign.stop_by + SLACK or supervisor in self._troupe.killed
            self._demand(in_time, f"{supervisor} should have stopped at {reign.stop_by:g}")

    def _check_exits(self, actor: Actor) -> None:
        for life in actor.lives[-3:]:
            told = len(life.exits)
            self._demand(told <= 1, f"{actor.id}: {told} exits of incarnation {life.number}")
            due = not life.alive and not self._told_late(actor)
            self._demand(told == 1 or not due, f"{actor.id}: incarnation {life.number} ended, {told} exits told")

    def _told_late(self, actor: Actor) -> bool:
        """Whether its supervisor has stopped or was cut short, and tells the rest when its last child has ended."""
        return any(
            any(map(self._any_below, supervisor.children))
            and (self._reigns[supervisor.id].stopped or supervisor.shutdown is not None or supervisor.id in killed)
            for killed in [self._troupe.killed]
            for supervisor, _ in self._ancestry(actor.id)
        )

    def _any_below(self, spec: Spec) -> bool:
        return any(self._live_below(spec))

    def check_rest(self) -> None:
        """After a long quiet time, whoever is to run does, and nobody waits for something that has come about."""
        root = self._troupe.supervisor.spec
        if self._troupe.stop_asked_at is None and not self._troupe.over:
            self._check_all_run(root)
        for errand in self._troupe.errands:
            self._demand(bool(errand.came_to), f"{errand.what} {errand.child} never returns")

    def _check_all_run(self, supervisor: SupervisorSpec) -> None:
        for child in supervisor.children:
            standing = self._standing[child.id]
            if standing.done:
                continue
            self._demand(standing.up, f"{child.id} is neither up nor done, after a long time")
            if isinstance(child, SupervisorSpec) and standing.up:
                self._check_all_run(child)

    def check_end(self) -> None:
        """When the tree is over, everything is."""
        self._demand(len(self._troupe.result) == 1, "the tree does not end")
        escalated = any(h.event.supervisor == "root" for h in self._troupe.heard if _is(h, SupervisorEscalated))
        self._demand(escalated == (self._troupe.result != [None]), f"the tree came to {self._troupe.result}")
        for actor in self._troupe.actors.values():
            self._demand(all(len(life.exits) == 1 for life in actor.lives), f"{actor.id}: an end without its exit")
            self._demand(actor.live is None, f"{actor.id} runs after the end")
        for post in self._troupe.posts.values():
            unread = post.mailbox.closed or not post.actor.lives
            self._demand(unread, f"{post.mailbox.name} is open after the end")
        for question in self._troupe.questions:
            self._demand(bool(question.came_to), f"question {question.letter.number} is open after the end")
        for errand in self._troupe.errands:
            self._demand(bool(errand.came_to), f"{errand.what} {errand.child} never returns")

    # Looking things up.

    def _demand(self, kept: bool, otherwise: str) -> None:
        if not kept:
            self._troupe.broken.append(otherwise)

    def _ancestry(self, child_id: str) -> list[tuple[SupervisorSpec, Spec]]:
        """The way down to a child: each supervisor with the child of it that lies on the way."""
        return _way(self._troupe.supervisor.spec, child_id) or []

    def _spec(self, child_id: str) -> Spec | None:
        return next((spec for spec in self._troupe.supervisor.spec.walk() if spec.id == child_id), None)

    def _supervisor(self, supervisor_id: str) -> SupervisorSpec:
        spec = self._spec(supervisor_id)
        assert isinstance(spec, SupervisorSpec)
        return spec

    def _actors_below(self, spec: Spec) -> Iterator[Actor]:
        below = [spec] if isinstance(spec, ChildSpec) else spec.workers()
        return (self._troupe.actors[worker.id] for worker in below)

    def _live_below(self, spec: Spec) -> Iterator[Incarnation]:
        return (actor.live for actor in self._actors_below(spec) if actor.live is not None)

    def _time_to_stop(self, spec: Spec) -> float:
        """The longest that the stop of what runs of a child may take."""
        if self._standing[spec.id].unstopped or not (self._runs(spec) or self._standing[spec.id].up):
            return 0.0
        if isinstance(spec, ChildSpec):
            return spec.drain + _shutdown_seconds(spec)
        # One that is to come back may do so before the turn of its supervisor to stop has come.
        ordered = sum(map(self._most_to_stop, spec.children)) + GRACE
        return min(ordered, math.inf if spec.shutdown is None else spec.shutdown) + GRACE

    def _most_to_stop(self, spec: Spec) -> float:
        if isinstance(spec, ChildSpec):
            return spec.drain + _shutdown_seconds(spec)
        return sum(map(self._most_to_stop, spec.children)) + 2 * GRACE

    def _runs(self, spec: Spec) -> bool:
        if self._standing[spec.id].unstopped:
            return False
        if isinstance(spec, SupervisorSpec):
            return any(map(self._runs, spec.children))
        return any(not life.unstopped for life in self._live_below(spec))


def _way(supervisor: SupervisorSpec, child_id: str) -> list[tuple[SupervisorSpec, Spec]] | None:
    for child in supervisor.children:
        if child.id == child_id:
            return [(supervisor, child)]
        if isinstance(child, SupervisorSpec) and (rest := _way(child, child_id)) is not None:
            return [(supervisor, child), *rest]
    return None


def _shutdown_seconds(spec: ChildSpec) -> float:
    return BRUTAL if spec.shutdown == "brutal" else max(BRUTAL, float(spec.shutdown))


def _is(heard: Heard, kind: type) -> bool:
    return isinstance(heard.event, kind)
