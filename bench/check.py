"""
How long `msgbridge check` takes for many rules: the whole process, and its parts within.

    python -m bench.check [rules]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bridge.analysis import analyse
from bridge.analysis.coverage import unfired
from bridge.files import read_files

CONFIG = {
    "dingtalk": {
        "dt_main": {
            "app_key": "ding0",
            "app_secret": {"env": "S"},
            "signing_secret": {"env": "S"},
            "allowed_users": "*",
        },
        "dt_two": {
            "app_key": "ding1",
            "app_secret": {"env": "S"},
            "receive": "stream",
            "allowed_users": "*",
        },
    },
    "webhook": {"ci": {"url": "https://example.com/in", "secret": {"env": "S"}, "listen_port": 8083}},
}


def group(number: int) -> dict[str, str]:
    return {"open_conversation_id": f"cid{number:05d}=="}


def rules(count: int) -> Iterator[dict[str, object]]:
    """What large files hold: pairs of groups, one hub, filters on one busy group, default routes."""
    for n in range(count):
        match n % 5:
            case 0:
                yield {"id": f"pair-{n}", "channels": {"dt_main": group(n), "dt_two": group(n + 1)}}
            case 1:
                yield {"id": f"hub-{n}", "from": {"dt_main": group(n)}, "to": {"ci": {}}}
            case 2:
                yield {
                    "id": f"filter-{n}",
                    "from": {"dt_main": group(0)},
                    "when": {"text_matches": f"fail-{n}|失败", "senders": {"exclude": ["bot"]}},
                    "unless": {"text_contains": f"#{n}"},
                    "to": {"dt_two": group(n)},
                    "msg": {"msg_format": "[{title}] {user}: {msg}"},
                    "stop": n % 2 == 0,
                }
            case 3:
                yield {
                    "id": f"back-{n}",
                    "from": {"ci": {"conversation": f"{n}"}},
                    "to": {"dt_main": group(n)},
                }
            case _:
                yield {
                    "id": f"rest-{n}",
                    "from": {"dt_main": {"open_conversation_id": "*"}},
                    "otherwise": True,
                    "to": {"ci": {}},
                }


def tests(count: int) -> list[dict[str, object]]:
    return [
        {"given": {"from": {"ci": {"conversation": f"{n}"}}, "text": "x"}, "expect": [{"to": "dt_main"}]}
        for n in range(3, count, 50)
    ]


def main(count: int) -> None:
    os.environ["S"] = "s3cret-of-the-bench"
    with tempfile.TemporaryDirectory() as folder:
        config, file = Path(folder, "config.json"), Path(folder, "rules.json")
        config.write_text(json.dumps(CONFIG), encoding="utf-8")
        file.write_text(
            json.dumps(
                {"rules": list(rules(count)), "tests": tests(count)}, indent=2, ensure_ascii=False
            ),
            encoding="utf-8",
        )
        start = time.perf_counter()
        reading = read_files(config, file, environ=os.environ)
        assert reading.config, reading.problems[:3]
        assert reading.rules, reading.problems[:3]
        read = time.perf_counter()
        warnings = analyse(reading.config, reading.rules)
        analysed = time.perf_counter()
        untested = unfired(reading.config, reading.rules)
        covered = time.perf_counter()
        wall = []
        for _ in range(5):
            begin = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "bridge", "check", "--json", "--config", str(config)],
                capture_output=True,
                check=True,
            )
            wall.append(time.perf_counter() - begin)
    print(
        f"{count} rules, {len(reading.rules.tests)} tests: "
        f"{len(warnings)} warnings, {len(untested)} rules untested"
    )
    print(f"read both files    {read - start:6.2f} s")
    print(f"analyse            {analysed - read:6.2f} s")
    print(f"coverage           {covered - analysed:6.2f} s")
    print(f"the whole command  {sorted(wall)[2]:6.2f} s  (median of five)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
