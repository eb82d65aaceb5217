"""The client of the benches that ask the API: wrk where it is installed, else a small one in a process of its own.

Each of its connections sends the next request when the answer is there, so what is measured is how much a server does
at once, and not how long a queue of requests may get.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import tempfile
import time
from typing import NamedTuple, cast

import uvloop
from anyio import to_process, to_thread

__all__ = ["WRK", "Asked", "ask", "load"]

WRK = shutil.which("wrk")
MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class Asked(NamedTuple):
    """Answers a second, and the milliseconds that 99 of 100 do not exceed."""

    rate: float
    p99_ms: float


async def load(port: int, method: str, path: str, token: str, connections: int, seconds: float) -> Asked:
    """Ask over so many connections that stay open; every answer must be a 2xx."""
    if WRK is not None and seconds >= 1:
        return await to_thread.run_sync(_wrk, port, method, path, token, connections, int(seconds))
    return await to_process.run_sync(ask, port, [_request(method, path, token)] * connections, seconds)


def _request(method: str, path: str, token: str) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: horarium\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def _wrk(port: int, method: str, path: str, token: str, connections: int, seconds: int) -> Asked:
    assert WRK is not None
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f'wrk.method = "{method}"\nwrk.headers["Authorization"] = "Bearer {token}"\n')
        script.flush()
        options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency", "-s", script.name]
        url = f"http://127.0.0.1:{port}{path}"
        said = subprocess.run([WRK, *options, url], capture_output=True, text=True, check=True).stdout  # noqa: S603 - ours
    assert "Non-2xx" not in said, said
    assert "Socket errors" not in said, said
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    assert rate is not None, said
    assert p99 is not None, said
    return Asked(float(rate[1]), float(p99[1]) * MS[p99[2]])


class Asker(asyncio.Protocol):
    """One connection: the next request is sent when the answer is there."""

    def __init__(self, request: bytes, ends: float) -> None:
        self._request = request
        self._ends = ends
        self._missing = 0
        self._sent = 0.0
        self.taken: list[float] = []
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first."""
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Count a whole answer, which is one that came in one piece or in two."""
        if self._missing == 0:
            assert data.startswith(b"HTTP/1.1 2"), data[:300]
            head, _, body = data.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
            self._missing = length - len(body)
        else:
            self._missing -= len(data)
        if self._missing > 0:
            return
        self.taken.append(time.perf_counter() - self._sent)
        if time.perf_counter() < self._ends:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """The end, which is an error when the server made it."""
        if error is None:
            self.closed.set_result(None)
        else:
            self.closed.set_exception(error)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)


def ask(port: int, requests: list[bytes], seconds: float) -> Asked:
    """Ask over as many connections as there are requests, each its own again and again."""

    async def everybody() -> Asked:
        began = time.perf_counter()
        askers = [Asker(request, began + seconds) for request in requests]
        loop = asyncio.get_running_loop()
        for asker in askers:
            await loop.create_connection(lambda asker=asker: asker, "127.0.0.1", port)
        await asyncio.gather(*(asker.closed for asker in askers))
        taken = sorted(each for asker in askers for each in asker.taken)
        return Asked(len(taken) / (time.perf_counter() - began), 1000 * taken[int(0.99 * (len(taken) - 1))])

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(everybody())
