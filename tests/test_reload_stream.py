"""New settings for an account that keeps a connection of its own, while its platform pushes."""

import asyncio
import json

from drivers.dingtalk.simulator import Simulator
from tests.running_app import a_daemon
from tests.test_corridor_stream import Corridor, write_files


def test_an_account_that_listens_is_changed_without_losing_what_is_pushed(tmp_path):
    """
    The new connection is there before the old one goes. What the old one did not acknowledge any
    more is pushed again, and what came over both is one message.
    """

    async def scenario():
        async with Simulator() as dingtalk:
            write_files(tmp_path, dingtalk)
            files = [(tmp_path / name).read_text() for name in ("config.json", "rules.json")]
            async with a_daemon(tmp_path, *files) as daemon:
                corridor = Corridor(tmp_path, dingtalk)
                old = await corridor.gateway.connection()
                for n in range(20):
                    await corridor.say(f"before {n}")
                config = json.loads(files[0])
                config["dingtalk"]["dt"]["send_timeout"] = "7s"
                (tmp_path / "config.json").write_text(json.dumps(config))
                answer = await daemon.reload()
                await corridor.gateway.until(lambda now: old not in now.connections)
                await corridor.gateway.connection()
                for n in range(20):
                    await corridor.say(f"after {n}")
                await corridor.gateway.redeliver()
                await corridor.gateway.until(lambda now: not now.unacked)
                await corridor.heard(40)
                return answer["difference"]["instances_changed"], corridor.texts

    changed, texts = asyncio.run(scenario())
    assert ["dt"] == changed
    assert {f"{when} {n}" for when in ("before", "after") for n in range(20)} == set(texts)
    assert 40 == len(texts)
