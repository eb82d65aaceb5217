"""What a server's process ends with; and, for `--help`, all exit codes, those of `client/errors.py` included."""

from __future__ import annotations

__all__ = ["EXIT_CODES", "EXIT_ESCALATED", "EXIT_MISCONFIGURED"]

EXIT_ESCALATED = 1
"""The tree gave up, or could not be stopped in order."""

EXIT_MISCONFIGURED = 2
"""Settings, files or servers are not as they must be; trying again would not help."""

EXIT_CODES = (
    "Exit codes: 0 done; 1 refused or failed; 2 wrong command line or setting; 3 not logged in; 4 not allowed; "
    "5 no such thing; 6 the API or a server behind it is away; 7 an import left something out; with --exit-code "
    "10 something changes; with --wait 10 failed, 11 timeout, 12 cancelled, 13 lost, 14 skipped; 130 after Ctrl-C, "
    "141 where whoever read the output has gone, 143 after SIGTERM."
)
