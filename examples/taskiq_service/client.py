"""Kicks one task and prints what it returned: `python client.py EU`."""

from __future__ import annotations

import asyncio
import sys

from newsletter import broker, send_digest


async def main(region: str) -> None:
    """Kick, wait, print."""
    await broker.startup()
    try:
        task = await send_digest.kiq(region, subject="By hand")
        result = await task.wait_result(timeout=10)
        sys.stdout.write(f"{result.return_value}\n")
    finally:
        await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
