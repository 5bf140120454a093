"""A real Prometheus scrapes the two real addresses, and is asked each question of the panels and of the alarms."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from django.db import connection

from engine.tests.filled import add_up, everything
from ostsite.tests.test_web import ROOT, TOKEN, Site, free_port, until

DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
PANELS = [panel for path in DASHBOARDS for panel in json.loads(path.read_text())["panels"] if panel["type"] != "row"]
ALERTS = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
PROBE = """
import sys, time, django
django.setup()
from engine import probe
probe.serve("127.0.0.1", int(sys.argv[1]), lambda: 0.0, 60.0)
time.sleep(600)
"""

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not shutil.which("prometheus"), reason="needs prometheus: .ci/packages"),
]


def in_this_test(query: str) -> str:
    """The same with windows of seconds, for figures that are scraped each second."""
    return re.sub(r"\[(?:\d+[smhd]|\$__rate_interval)\]", "[10s]", query)


def database_url() -> str:
    found = connection.settings_dict
    return (
        f"postgresql://{found['USER']}:{found['PASSWORD']}@/{found['NAME']}?host={found['HOST']}&port={found['PORT']}"
    )


class Prometheus:
    """With our configuration, but for its targets and its pace."""

    def __init__(self, folder: Path, targets: list[str]) -> None:
        config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
        shutil.copy(ROOT / "deploy/prometheus/alerts.yml", folder / "alerts.yml")
        (folder / "token").write_text(TOKEN)
        config["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        (job,) = config["scrape_configs"]
        job["authorization"]["credentials_file"] = str(folder / "token")
        job["static_configs"] = [{"targets": targets}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        port = free_port()
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1/", timeout=10, trust_env=False)

    def asked(self, kind: str, **parameters: Any) -> Any:
        """The data of an answer; a query that is refused is a fault."""
        try:
            answer = self.client.get(kind, params=parameters)
        except httpx.TransportError:
            return {}
        if answer.status_code == 503:
            return {}
        assert answer.json()["status"] == "success", answer.text
        return answer.json()["data"]

    def up(self) -> list[str]:
        found = self.asked("targets").get("activeTargets", [])
        return [target["health"] for target in found]

    def series(self, query: str) -> list[Any]:
        return list(self.asked("query", query=in_this_test(query)).get("result", []))

    def end(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(15)


@pytest.fixture
def prometheus(tmp_path, settings) -> Iterator[Prometheus]:
    settings.Q_BROKER = "orm"
    everything()
    with ExitStack() as stack:
        secrets = {"DATABASE_URL": database_url(), "METRICS_TOKEN": TOKEN, "SECRET_KEY": "k9-" * 20}
        site = Site(tmp_path, LOG_FORMAT="json", **secrets)
        stack.callback(site.end)
        stack.enter_context(closing(site.client))
        port = free_port()
        worker = subprocess.Popen([sys.executable, "-c", PROBE, str(port)], cwd=ROOT, env={**os.environ, **secrets})
        stack.callback(worker.wait, 15)
        stack.callback(worker.kill)
        (tmp_path / "prometheus").mkdir()
        web = site.client.base_url
        found = Prometheus(tmp_path / "prometheus", [f"{web.host}:{web.port}", f"127.0.0.1:{port}"])
        stack.callback(found.end)
        until(lambda: found.up() == ["up", "up"], 30)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:  # so that there is something to make a rate of
            add_up()
            time.sleep(1)
        yield found


def test_every_panel_shows_something_and_every_alarm_can_be_asked(prometheus):
    empty = [
        (panel["title"], target["expr"])
        for panel in PANELS
        for target in panel["targets"]
        if not prometheus.series(target["expr"])
    ]
    assert empty == []
    now = time.time()
    for panel in PANELS:
        for target in panel["targets"]:
            drawn = prometheus.asked("query_range", query=in_this_test(target["expr"]), start=now - 5, end=now, step=1)
            assert drawn["result"], panel["title"]
    for rule in ALERTS:
        prometheus.series(rule["expr"])
    known = prometheus.asked("rules")["groups"]
    rules = [rule for group in known for rule in group["rules"]]
    assert {rule["name"]: rule["health"] for rule in rules} == {rule["alert"]: "ok" for rule in ALERTS}
