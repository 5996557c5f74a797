"""The page that Prometheus reads and the alert rules of the docs, judged by Prometheus itself."""

import json
import re
import shutil
import subprocess
import urllib.request
from contextlib import contextmanager

import pytest
import yaml

from bridge.metrics import Metrics
from bridge.model import InstanceId
from tests.daemon import ROOT, command, free_port, running, wait_until, write_files
from tests.test_cli_run import a_receiver, post
from tests.test_docs import understood

ALERTS = ROOT / "docs" / "alerts.yml"
TESTS = ROOT / "docs" / "alerts_test.yml"
RULES = {rule["alert"]: rule for rule in yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]}


def needs(program):
    return pytest.mark.skipif(
        not shutil.which(program), reason=f"{program} is not installed: apt-get install prometheus"
    )


def promtool(*arguments, given=b""):
    return subprocess.run(
        ["promtool", *map(str, arguments)], input=given, capture_output=True, timeout=60, check=False
    )


def test_alerts_name_series_that_exist():
    """A rule on a series that nobody makes would never fire."""
    metrics = Metrics("1")
    metrics.declare([InstanceId("dt")])
    metrics.requests_refused.labels("dt", "401")
    metrics.driver_state.labels("dt", "x")
    page = metrics.page().decode()
    named = set(re.findall(r"\bmsgbridge_\w+", " ".join(rule["expr"] for rule in RULES.values())))

    assert named
    for name in named:
        assert re.search(rf"^{name}[{{ ]", page, re.MULTILINE), name


@pytest.mark.parametrize("name", RULES)
def test_an_alert_says_what_to_do(name):
    """In one line, with a page that exists, and with commands that exist."""
    annotations = RULES[name]["annotations"]

    assert (ROOT / annotations["runbook"]).is_file()
    action = re.sub(r"\{\{.*?\}\}", "INSTANCE", annotations["action"])
    for typed in re.findall(r"msgbridge (?:doctor|check|queue|dead)[^,;.]*", action):
        understood(typed.partition(" shows")[0].partition(" says")[0], "docs/alerts.yml")


def test_every_alert_is_seen_to_fire_and_not_to_fire():
    """In the rules' own tests."""
    seen = {name: set() for name in RULES}
    for test in yaml.safe_load(TESTS.read_text())["tests"]:
        for case in test["alert_rule_test"]:
            seen[case["alertname"]].add(bool(case.get("exp_alerts")))

    assert {name: {True, False} for name in RULES} == seen


@pytest.mark.full
@needs("promtool")
def test_the_alert_rules_pass_their_tests():
    checked, tested = promtool("check", "rules", ALERTS), promtool("test", "rules", TESTS)

    assert 0 == checked.returncode, checked.stderr
    assert 0 == tested.returncode, tested.stdout + tested.stderr


@pytest.mark.full
@needs("promtool")
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("destinations_suspended > 0", "destinations_suspended > 1"),
        ('up{job="msgbridge"} == 0', 'up{job="msgbridge"} == 1'),
        ("{{ $labels.exported_instance }} needs", "{{ $labels.instance }} needs"),
    ],
)
def test_the_tests_of_the_rules_can_fail(tmp_path, right, wrong):
    """Else they would prove nothing."""
    assert right in ALERTS.read_text()
    (tmp_path / "alerts.yml").write_text(ALERTS.read_text().replace(right, wrong))
    shutil.copy(TESTS, tmp_path)

    assert 0 != promtool("test", "rules", tmp_path / TESTS.name).returncode


@contextmanager
def a_daemon_with_traffic(folder):
    """One message sent, one refused by its destination, one request refused; yields the status port."""
    status_port = free_port()
    with a_receiver(400) as (url, got):
        ear = write_files(folder, url=url, status_port=status_port)
        with running(folder):
            post(ear, "a dead letter", "m1")
            post(ear, "sent", "m2")
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(ear, b"no json", timeout=5)
            wait_until(lambda: got)
            wait_until(lambda: json.loads(command("dead", "list", "--json", folder=folder).stdout))
            yield status_port


@pytest.mark.full
@needs("promtool")
def test_the_page_of_a_busy_daemon_is_clean(tmp_path):
    """Names, types, units and help as Prometheus wants them."""
    with a_daemon_with_traffic(tmp_path) as port:
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read()

    checked = promtool("check", "metrics", given=page)

    assert (0, b"", b"") == (checked.returncode, checked.stdout, checked.stderr)
    assert b'msgbridge_messages_accepted_total{instance="ear",verdict="new"} 2.0' in page


@contextmanager
def a_prometheus(folder, target):
    """The real server, as the comment in alerts.yml sets it up; yields a way to ask its API."""
    port = free_port()
    comment = ALERTS.read_text().partition("groups:")[0]
    lines = [line[4:] for line in comment.splitlines() if line.startswith("#   ")]
    config = "\n".join(lines).replace("127.0.0.1:8089", f"127.0.0.1:{target}")
    (folder / "prometheus.yml").write_text(
        f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n{config}\n"
    )
    shutil.copy(ALERTS, folder)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )

        def ask(path):
            try:
                answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=5)
            except OSError:
                return []
            data = json.load(answer)["data"]
            return data.get("result") or data.get("groups") or []

        try:
            yield ask
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.full
@needs("prometheus")
def test_a_real_prometheus_reads_the_daemon_and_the_rules(tmp_path):
    """Set up as alerts.yml says, the labels are those that the rules use, and no rule is in error."""
    bridge, server = tmp_path / "bridge", tmp_path / "prometheus"
    bridge.mkdir()
    server.mkdir()
    with a_daemon_with_traffic(bridge) as port, a_prometheus(server, port) as ask:
        dead = 'query?query=msgbridge_deliveries_settled_total{status="dead",reason!=""}'
        wait_until(lambda: ask(dead), within=60)
        (series,) = ask(dead)
        wait_until(
            lambda: all(rule["health"] == "ok" for group in ask("rules") for rule in group["rules"]),
            within=60,
        )
        evaluated = [rule["name"] for group in ask("rules") for rule in group["rules"]]

    assert ("mouth", f"127.0.0.1:{port}") == (
        series["metric"]["exported_instance"],
        series["metric"]["instance"],
    )
    assert list(RULES) == evaluated
