"""
The floor under the throughput figures: a relay that stores nothing.

Verifies the callback's HMAC, parses the JSON, awaits one POST to the sink, answers. Whatever a durable
bridge adds to this is the price of its promises. Run as ``python -m bench.floor_relay``. With
``--flushed FILE`` each body is on disk before it is posted: the least that a durable relay can do, for
nothing is looked up, found again or forgotten.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from aiohttp import web

from bench.callbacks import PATH, ROBOT_CODE, SIGNING_SECRET, destination, source

SINK = web.AppKey("sink", str)
SESSION = web.AppKey("session", aiohttp.ClientSession)
DESTINATIONS = web.AppKey("destinations", dict[str, str])
FLUSHED = web.AppKey("flushed", int)
MAX_SKEW = 300.0
_FILE = 4 << 20


def verified(request: web.Request) -> bool:
    timestamp = request.headers.get("timestamp", "")
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp) / 1000) > MAX_SKEW:
        return False
    text = f"{timestamp}\n{SIGNING_SECRET}".encode()
    digest = hmac.new(SIGNING_SECRET.encode(), text, hashlib.sha256).digest()
    given = request.headers.get("sign", "").encode()
    return hmac.compare_digest(base64.b64encode(digest), given)


async def receive(request: web.Request) -> web.Response:
    if not verified(request):
        return web.Response(status=401)
    event = await request.json()
    if FLUSHED in request.app:
        body = await request.read()
        await asyncio.get_running_loop().run_in_executor(None, flush, request.app[FLUSHED], body)
    content = f"{event['senderNick']}: {event['text']['content'].strip()}"
    message = {
        "msgParam": json.dumps({"content": content}),
        "msgKey": "sampleText",
        "openConversationId": request.app[DESTINATIONS][event["conversationId"]],
        "robotCode": ROBOT_CODE,
    }
    async with request.app[SESSION].post(
        request.app[SINK], json=message, headers={"x-acs-dingtalk-access-token": "bench-token"}
    ) as response:
        await response.read()
        if response.status != 200:
            return web.Response(status=502)
    return web.json_response({"msgtype": "empty"})


def flush(file: int, body: bytes) -> None:
    """Over what was there before, as a journal that is as large as it will be."""
    at = os.lseek(file, 0, os.SEEK_CUR)
    os.lseek(file, 0 if at + len(body) > _FILE else at, os.SEEK_SET)
    os.write(file, body)
    os.fdatasync(file)


async def ready(_request: web.Request) -> web.Response:
    return web.Response(text="ready")


async def session(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession() as client:
        app[SESSION] = client
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description="a bare aiohttp relay")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sink", type=int, required=True)
    parser.add_argument("--groups", type=int, required=True)
    parser.add_argument("--flushed", type=Path)
    options = parser.parse_args()
    app = web.Application()
    if options.flushed:
        app[FLUSHED] = os.open(options.flushed, os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(app[FLUSHED], bytes(_FILE), 0)
        os.fsync(app[FLUSHED])
    app[SINK] = f"http://127.0.0.1:{options.sink}/v1.0/robot/groupMessages/send"
    app[DESTINATIONS] = {source(n): destination(n) for n in range(options.groups)}
    app.cleanup_ctx.append(session)
    app.router.add_post(PATH, receive)
    app.router.add_get("/readyz", ready)
    web.run_app(app, host="127.0.0.1", port=options.port, access_log=None, print=lambda _: None)


if __name__ == "__main__":
    main()
