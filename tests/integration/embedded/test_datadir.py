from __future__ import annotations

import errno
import multiprocessing
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from horarium.embedded import DataDir, signing_key
from horarium.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.synchronize import Event
    from pathlib import Path


def test_a_new_directory_is_closed_to_other_users(tmp_path: Path) -> None:
    with DataDir(tmp_path / "a" / "b") as directory:
        assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
        assert stat.S_IMODE((directory.path / "lock").stat().st_mode) == 0o600


def test_a_second_owner_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    with DataDir(tmp_path), pytest.raises(ConfigurationError, match=f"{tmp_path} is in use by process {os.getpid()};"):
        DataDir(tmp_path).__enter__()


def test_the_lock_is_free_again_when_its_owner_is_done(tmp_path: Path) -> None:
    with DataDir(tmp_path):
        pass

    with DataDir(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


@pytest.fixture
def fork_once() -> Iterator[Callable[[], None]]:
    """Forks a child that lives until the test ends; returns when the child runs."""
    context = multiprocessing.get_context("fork")
    there, go = context.Event(), context.Event()
    child = context.Process(target=_wait_for, args=(there, go), daemon=True)

    def fork() -> None:
        child.start()
        there.wait()

    yield fork
    go.set()
    child.join()


def _wait_for(there: Event, go: Event) -> None:
    there.set()
    go.wait()


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path, fork_once: Callable[[], None]) -> None:
    with DataDir(tmp_path):
        fork_once()

    with DataDir(tmp_path):
        pass


def test_a_directory_that_cannot_be_made_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match="HORARIUM_DATA_DIR"):
        DataDir(tmp_path / "file" / "data").__enter__()


def test_a_full_disk_is_told_of_as_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.write", full)

    with pytest.raises(ConfigurationError, match=r"cannot write to the data directory .*: No space left on device"):
        DataDir(tmp_path).__enter__()


def test_a_signing_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    key = signing_key(tmp_path)

    assert len(bytes.fromhex(key)) == 32
    assert signing_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600


def test_processes_that_start_at_once_all_have_the_one_key_and_leave_nothing_else(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as starts:
        keys = set(starts.map(signing_key, [tmp_path] * 64))

    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_a_start_that_is_killed_before_the_key_is_whole_leaves_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        signing_key(tmp_path)
    monkeypatch.undo()

    assert not (tmp_path / "secret.key").exists()
    assert len(signing_key(tmp_path)) == 64


def test_a_signing_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    signing_key(tmp_path)
    (tmp_path / "secret.key").chmod(0o640)

    with pytest.raises(ConfigurationError, match="chmod 600"):
        signing_key(tmp_path)


def test_a_signing_key_that_is_too_short_is_refused_without_being_shown(tmp_path: Path) -> None:
    (tmp_path / "secret.key").touch(mode=0o600)
    (tmp_path / "secret.key").write_text("hunter2")

    with pytest.raises(ConfigurationError, match="shorter than 32 bytes") as caught:
        signing_key(tmp_path)

    assert "hunter2" not in str(caught.value)
