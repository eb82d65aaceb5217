"""What tests rely on who run processes: nothing that one says is overlooked, and no port they name is given away."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.support.processes import Running
from tests.support.pseudo_terminal import Terminal
from tests.support.rabbitmq import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class EndsUnseen:
    """A process that has its last word, and ends, just before somebody asks whether it has ended."""

    last_word: Callable[[], object]
    returncode: int = 0

    def poll(self) -> int:
        self.last_word()
        return self.returncode


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_the_last_word_of_a_process_is_heard_though_it_ends_meanwhile(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.touch()
    process = EndsUnseen(lambda: out.write_text("Postgres  here\n"))

    assert Running(cast("Any", process), tmp_path).printed(r"Postgres\s+(\S+)") == "here"


@pytest.mark.anyio
async def test_so_it_is_in_a_terminal() -> None:
    master, slave = os.openpty()
    process = EndsUnseen(lambda: os.write(slave, b"Logged out\n"))

    shown = await Terminal(cast("Any", process), master).shows("Logged out")
    os.close(slave)
    os.close(master)

    assert "Logged out" in shown


def test_ports_that_are_named_beforehand_are_none_that_the_kernel_gives_to_anybody() -> None:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())

    ports = free_ports(100)

    assert len({*ports}) == 100
    assert [port for port in ports if first <= port <= last] == []
