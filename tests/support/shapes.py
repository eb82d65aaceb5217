"""What hypothesis draws trees and their disturbances from; times in seconds.

Small numbers of everything: limits that are passed within a few steps, mailboxes that are soon full, deadlines that
fall into the same instant as others.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from horarium.supervisor import Backoff
from tests.support.scripted import Order

__all__ = ["CHILD", "DEED", "HOURS", "LATER", "NESTED", "ORDER", "PICK", "ROOT", "SOON", "START"]

PICK = st.integers(0, 2**16)
SOON = st.sampled_from([0.0, 0.001, 0.1, 0.5, 1.0, 2.0])
LATER = st.one_of(SOON, st.sampled_from([5.0, 10.0, 30.0, 61.0]))
HOURS = st.one_of(LATER, LATER, LATER, st.sampled_from([100.0, 600.0, 3600.0]))
DEED = st.sampled_from(["note", "note", "silent", "work", "batch", "batch", "hold", "crash"])
RESTART = st.sampled_from(["permanent", "permanent", "transient", "temporary"])
BACKOFF = st.builds(
    Backoff,
    initial=st.sampled_from([0.0, 0.1, 1.0]),
    maximum=st.sampled_from([1.0, 5.0, 40.0]),
    jitter=st.sampled_from([0.0, 0.2]),
    reset_after=st.sampled_from([0.0, 2.0, 10.0]),
)
MAX_FAILURES = st.sampled_from([None, 20, 20, 5, 1])
BOX = st.one_of(
    st.none(),
    st.tuples(st.integers(1, 3), st.sampled_from(["block", "reject", "drop_oldest", "drop_newest"])),
    st.tuples(st.integers(1, 3), st.sampled_from(["block", "reject", "drop_oldest", "drop_newest"])),
)
CHILD = st.fixed_dictionaries(
    {
        "restart": RESTART,
        "backoff": BACKOFF,
        "max_failures": MAX_FAILURES,
        "watchdog": st.sampled_from([None, 5.0, 5.0, 20.0]),
        "start_timeout": st.sampled_from([1.0, 2.0, 30.0]),
        "shutdown": st.sampled_from(["brutal", 0.0, 0.5, 2.0]),
        "drain": st.sampled_from([0.0, 0.0, 1.0, 4.0]),
        "significant": st.sampled_from([True, True, False]),
        "box": BOX,
    }
)
SUPERVISOR: dict[str, st.SearchStrategy[Any]] = {
    "strategy": st.sampled_from(["one_for_one", "rest_for_one", "one_for_all"]),
    "intensity": st.sampled_from([10, 30, 10, 3, 1, 0]),
    "period": st.sampled_from([5.0, 60.0, 600.0]),
    "auto_shutdown": st.sampled_from(["never", "never", "any_significant", "all_significant"]),
    "children": st.lists(CHILD, min_size=1, max_size=3),
}
NESTED = st.fixed_dictionaries(
    SUPERVISOR
    | {
        "restart": RESTART,
        "backoff": BACKOFF,
        "max_failures": MAX_FAILURES,
        "significant": st.booleans(),
        "shutdown": st.sampled_from([None, None, 0.5]),
    }
)
ROOT = st.fixed_dictionaries(
    SUPERVISOR | {"children": st.lists(st.one_of(CHILD, CHILD, NESTED), min_size=1, max_size=4)}
)
ORDER = st.one_of(
    st.sampled_from(["ready", "crash", "crash", "group", "return", "stray", "hang"]).map(Order),
    st.builds(Order, st.sampled_from(["deaf", "busy", "linger"]), st.sampled_from([0.3, 1.0, 5.0, 90.0])),
)
START = st.sampled_from(["fail", "fail", "group", "return", "stray", "slow", "never"])
