"""A private RabbitMQ node for a test session: own name, ports, cookie, folders and epmd, all on loopback.

Nothing of a system-wide RabbitMQ is read, written or disturbed, and nothing is left running: epmd, which a node would
start as a daemon for everybody, is a child of the fixture here. Debian's own `rabbitmqctl` in /usr/sbin changes user
and folder, so the scripts behind it are called.

    rabbitmq  session  the node; `url` to connect, `ctl` to break it

Benches have theirs from `python -m tests.support.rabbitmq`: it prints the URL, and runs until its input ends.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import choice
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # ships no types
import pytest
from anyio import to_thread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["RabbitMQ", "a_rabbitmq", "rabbitmq"]

SCRIPTS = Path("/usr/lib/rabbitmq/bin")
BOOT_SECONDS = 150.0
CTL_SECONDS = 150.0
KILL_SECONDS = 20.0
STOP_SECONDS = 60.0
NOBODYS_PORTS = range(12_000, 32_000)


@dataclass
class RabbitMQ:
    """A node."""

    port: int
    home: Path
    environ: Mapping[str, str] = field(repr=False)
    _server: ExitStack = field(default_factory=ExitStack, repr=False)

    @property
    def url(self) -> str:
        """Where it is, whether or not it runs."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        log = self.home / "server"
        server = self._server.enter_context(running([script("rabbitmq-server")], self.environ, log))
        await_listening(server, self.port, log)

    def stop(self) -> None:
        """Have it shut down in order, and wait for that."""
        everyone = psutil.process_iter(["name", "cwd"])
        [node] = [one for one in everyone if (one.info["name"], one.info["cwd"]) == ("beam.smp", str(self.home))]
        node.terminate()
        node.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it as `kill -9` does, with all that it has started."""
        self._server.close()

    async def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl` prints."""
        return await to_thread.run_sync(self.ctl_now, *arguments)

    def ctl_now(self, *arguments: str, seconds: float = CTL_SECONDS) -> str:
        """The same, for a fixture."""
        run = subprocess.run(  # noqa: S603 - arguments of the tests
            [script("rabbitmqctl"), "--quiet", *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        assert run.returncode == 0, f"rabbitmqctl {' '.join(arguments)}: {run.stdout}{run.stderr}"
        return run.stdout


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    with a_rabbitmq() as node:
        yield node


@contextmanager
def a_rabbitmq() -> Iterator[RabbitMQ]:
    """A node that runs, gone with everything that it kept when the block ends."""
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="horarium-rabbitmq-"))
        stack.callback(shutil.rmtree, home)
        port, dist_port, epmd_port = free_ports(3)
        environ = environment(home, port, dist_port, epmd_port)
        stack.enter_context(running(["epmd", "-address", "127.0.0.1", "-port", str(epmd_port)], environ, home / "epmd"))
        node = RabbitMQ(port, home, environ)
        stack.callback(node.kill)
        node.start()
        yield node


def script(name: str) -> str:
    """Where a script of RabbitMQ is; fails the test with the package's name when it is nowhere."""
    found = shutil.which(name, path=f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.fail(f"{name} is not here; on Debian and Ubuntu, as root: apt-get install rabbitmq-server")
    return found


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, all different.

    Not of those that the kernel gives away by itself (32768 to 60999 on Linux): whoever is told one of ours binds it
    seconds later, and any connection of any other test could be there by then.
    """
    with ExitStack() as stack:
        sockets: list[socket.socket] = []
        while len(sockets) < count:
            with suppress(OSError):  # somebody has it
                sockets.append(stack.enter_context(socket.create_server(("127.0.0.1", choice(NOBODYS_PORTS)))))
        return [int(sock.getsockname()[1]) for sock in sockets]


def environment(home: Path, port: int, dist_port: int, epmd_port: int) -> dict[str, str]:
    """What keeps the node private. The configuration files of /etc/rabbitmq are replaced, not added to."""
    (home / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\n")
    (home / "enabled_plugins").write_text("[].\n")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
    return (
        inherited
        | {
            "HOME": str(home),  # where the Erlang cookie is made
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test-{uuid.uuid4().hex[:8]}@localhost",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(dist_port),
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(home / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(home / "config"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
        }
    )


def await_listening(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return when the node takes connections, which is the last thing it does as it starts."""
    give_up = time.monotonic() + BOOT_SECONDS
    while server.poll() is None and time.monotonic() < give_up:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"RabbitMQ did not start: {log.read_text()}")


@contextmanager
def running(command: list[str], environ: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` while the block lasts, then kill it and all that it started."""
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 - commands of this file
            command, env=environ, cwd=log.parent, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            yield process
        finally:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            for member in family:
                member.kill()
            psutil.wait_procs(family, timeout=KILL_SECONDS)


if __name__ == "__main__":
    with a_rabbitmq() as running_node:
        print(running_node.url, flush=True)  # noqa: T201 - what it is run for
        sys.stdin.read()
