"""The order of starts and stops, as plain rules over the children's records.

The supervisor never runs a script of starts and stops that something could interrupt halfway. After every change it
asks these rules what may be done now; so a crash in the middle of a group restart, or a stop in the middle of a
start, needs no special case. The rules are Erlang's:

- children start in list order, each when all before it are ready; stop in reverse, one at a time;
- `one_for_one`: once a child has been ready, its restarts and its stop hold up nobody;
- `rest_for_one`, `one_for_all`: the children after a restarting one (or all the others) are stopped first, and come
  back in order, each waiting for those before it; nothing starts while anything is still to be stopped.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from horarium.supervisor.child import Child, Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from horarium.supervisor.spec import Strategy

__all__ = ["affected", "all_down", "all_started", "next_instant", "next_to_start", "next_to_stop"]


def next_to_stop(children: Sequence[Child], *, in_order: bool) -> Child | None:
    """Return the last child that is to be stopped; `in_order`, None while another is still on its way down."""
    for child in reversed(children):
        if child.ending and in_order:
            return None
        if child.leaving and child.up:
            return child
    return None


def next_to_start(children: Sequence[Child], strategy: Strategy, now: float) -> Child | None:
    """Return the first child whose turn and time have come to be started."""
    if strategy != "one_for_one" and any(child.leaving for child in children):
        return None
    for child in children:
        if child.wants_start and child.due <= now:
            return child
        if not _lets_pass(child, strategy):
            return None
    return None


def affected(children: Sequence[Child], failed: Child, strategy: Strategy) -> list[Child]:
    """Return the other children that the restart of `failed` concerns, in list order."""
    match strategy:
        case "one_for_one":
            return []
        case "rest_for_one":
            return list(children[children.index(failed) + 1 :])
        case "one_for_all":
            return [child for child in children if child is not failed]


def all_started(children: Sequence[Child]) -> bool:
    """Say whether every child has been ready once, or is done."""
    return all(child.ready_once or child.ended for child in children)


def all_down(children: Sequence[Child]) -> bool:
    """Say whether no child is left to wait for: all have ended or are past their deadline."""
    return all(child.phase in {Phase.DOWN, Phase.UNSTOPPED} for child in children)


def next_instant(children: Sequence[Child], now: float) -> float:
    """Return the next instant after `now` at which something falls due by itself."""
    instants = (child.next_instant for child in children)
    return min((instant for instant in instants if instant > now), default=math.inf)


def _lets_pass(child: Child, strategy: Strategy) -> bool:
    if strategy == "one_for_one":
        return child.ended or child.ready_once
    return child.ended or child.phase is Phase.RUNNING or (child.phase is Phase.UNSTOPPED and child.let_go)
