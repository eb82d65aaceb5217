"""`horarium up`: what it looks at before anything is started, and what it says."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from horarium.commands import up as up_module
from horarium.commands.up import _refuse_taken_port, _up
from horarium.errors import ConfigurationError
from horarium.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOSTS = ["127.0.0.1", "::1", "::", "localhost"]
PASSWORD = "made up"


class Ends:
    """A host whose tree ends before all of it is up."""

    def __init__(self, *_: object) -> None:
        pass

    async def run(self, _when_ready: object) -> int:
        raise ConfigurationError("a label that nobody can read")


class IsReady(Ends):
    """A host whose tree is up, and is then asked to stop."""

    async def run(self, when_ready: Any) -> int:
        await when_ready()
        return 0


@pytest.fixture
def _first_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tree has made the first account by the time that it is there."""

    def tree(*_: object, tell_password: Callable[[str], None], **__: object) -> None:
        tell_password(PASSWORD)

    monkeypatch.setattr(up_module, "supervisor_tree", tree)


async def run_up(tmp_path: Path, **environ: str) -> int:
    own = {"HORARIUM_DATA_DIR": str(tmp_path), "HORARIUM_PORT": "0"}
    return await _up(load_settings(own | environ), demo=False)


@pytest.mark.parametrize("host", HOSTS)
def test_any_address_of_this_machine_can_be_listened_on(host: str) -> None:
    _refuse_taken_port(host, 0)


def test_a_port_that_is_taken_is_refused_in_either_family() -> None:
    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6) as taken,
        pytest.raises(ConfigurationError, match="Address already in use"),
    ):
        _refuse_taken_port("::1", taken.getsockname()[1])


@pytest.mark.anyio
@pytest.mark.usefixtures("_first_account")
async def test_the_first_password_is_said_though_the_process_ends_before_all_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The account is there by then, and nobody else knows the password."""
    monkeypatch.setattr(up_module, "Host", Ends)

    with pytest.raises(ConfigurationError):
        await run_up(tmp_path)

    assert f"admin, password {PASSWORD} (shown only now)" in capsys.readouterr().out


@pytest.mark.anyio
@pytest.mark.usefixtures("_first_account")
async def test_the_first_password_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(up_module, "Host", IsReady)

    await run_up(tmp_path)

    assert capsys.readouterr().out.count(PASSWORD) == 1


@pytest.mark.anyio
@pytest.mark.usefixtures("_first_account")
async def test_an_address_of_ipv6_is_said_as_browsers_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(up_module, "Host", IsReady)

    await run_up(tmp_path, HORARIUM_HOST="::1")

    assert "http://[::1]:0/api/v1" in capsys.readouterr().out
