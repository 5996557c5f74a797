"""The control socket from outside, in the loop of a test."""

import asyncio
import json


async def ask(path, verb, **arguments):
    """The last answer as (kind, value)."""
    *_, last = await exchange(path, json.dumps({"verb": verb, "args": arguments}).encode() + b"\n")
    return last


async def exchange(path, raw, *, hang_up=False):
    """Send bytes; every answer as (kind, value)."""
    reader, writer = await asyncio.open_unix_connection(str(path), limit=1 << 24)
    try:
        writer.write(raw)
        if hang_up:
            writer.write_eof()
        async with asyncio.timeout(30):
            lines = (await reader.read()).splitlines()
        return [next(iter(json.loads(line).items())) for line in lines]
    finally:
        writer.close()
