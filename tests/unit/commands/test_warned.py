"""What the API warns of is said on stderr, with the field it is about, and never on stdout."""

from __future__ import annotations

import pytest

from horarium.commands.warned import warn


def test_each_warning_is_a_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    often = {"loc": ["schedule_config", "seconds"], "msg": "runs more often than its timeout", "code": "overlap_likely"}

    warn({"id": 1, "warnings": [often, {"loc": [], "msg": "nobody reads its queue", "code": "unknown_queue"}]})

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "warning: schedule_config.seconds: runs more often than its timeout",
        "warning: nobody reads its queue",
    ]


@pytest.mark.parametrize("answer", [{}, {"warnings": []}, {"warnings": None}])
def test_an_answer_without_warnings_says_nothing(answer: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    warn(answer)

    assert capsys.readouterr() == ("", "")
