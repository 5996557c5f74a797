"""
The floor under the figure for one conversation: posts messages one after the other, nothing else.

Strict order means one message in flight, so no bridge can be faster than this on one core. Run as
``python -m bench.floor_poster``.
"""

import argparse
import asyncio
import json

import aiohttp

from bench.callbacks import ROBOT_CODE, destination


async def post(sink: int, count: int) -> None:
    url = f"http://127.0.0.1:{sink}/v1.0/robot/groupMessages/send"
    async with aiohttp.ClientSession() as session:
        for i in range(count):
            content = f"测试用户: {0:06d} {0:03d} {i:07d} build passed, 构建通过"
            message = {
                "msgParam": json.dumps({"content": content}),
                "msgKey": "sampleText",
                "openConversationId": destination(0),
                "robotCode": ROBOT_CODE,
            }
            headers = {"x-acs-dingtalk-access-token": "bench-token"}
            async with session.post(url, json=message, headers=headers) as response:
                await response.read()
                response.raise_for_status()


def main() -> None:
    parser = argparse.ArgumentParser(description="a bare sequential poster")
    parser.add_argument("--sink", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    options = parser.parse_args()
    asyncio.run(post(options.sink, options.count))


if __name__ == "__main__":
    main()
