"""Dockerfile, compose.yaml, deploy/ and the workflows: valid, closed, and true of the code that they run.

No engine is asked. What only one can show stands in docs/decisions/containers.md.
"""

import json
import os
import re
import runpy
import shutil
import stat
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from django.conf import settings
from django.db import ProgrammingError, connection, transaction

from engine import metrics
from ostsite import environment

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
KUBERNETES = ROOT / "deploy" / "kubernetes"
MANIFESTS = {
    f"{path.name}: {document['kind']} {document['metadata']['name']}": document
    for path in sorted(KUBERNETES.glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for document in yaml.safe_load_all(path.read_text())
}
OURS = [name for name, service in COMPOSE["services"].items() if service.get("image", "").startswith("ost-engine:")]
ALERTS = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/ost-engine.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ASKED = [target["expr"].replace("$__rate_interval", "5m") for panel in PANELS for target in panel["targets"]]
QUERIES = ASKED + [rule["expr"] for rule in ALERTS]
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool: apt-get install prometheus")


def said(*command: str) -> str:
    """What a program says when it does not pass; nothing when it does."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    program = shutil.which(command[0], path=beside)
    assert program, f"{command[0]} is not installed: ./ost install --dev"
    done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode else ""


def said_all(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, document in MANIFESTS.items():
        if "template" in document.get("spec", {}):
            yield name, document["spec"]["template"]["spec"]


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, pod in pods():
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            yield f"{name}: {container['name']}", container


# Valid


def test_nothing_is_said_against_the_dockerfile():
    assert said("hadolint", "Dockerfile") == ""


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("compose-spec", "compose.yaml"),
        ("dependabot", ".github/dependabot.yml"),
        *(("github-workflows", f".github/workflows/{name}.yml") for name in ("ci", "image", "release")),
    ],
)
def test_a_file_follows_its_schema(schema, path):
    assert said("check-jsonschema", "--builtin-schema", f"vendor.{schema}", path) == ""


def test_no_workflow_goes_unchecked():
    assert {path.name for path in (ROOT / ".github/workflows").iterdir()} == {"ci.yml", "image.yml", "release.yml"}


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_is_what_kubernetes_takes(name, version):
    kubernetes_validate.validate(MANIFESTS[name], version, strict=True)


def test_kustomize_names_every_manifest_and_the_version_of_this_project():
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    assert {*kustomization["resources"], "kustomization.yaml"} == {path.name for path in KUBERNETES.glob("*.yaml")}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert [image["newTag"] for image in kustomization["images"]] == [version]


@needs_promtool
def test_prometheus_takes_its_configuration_and_the_alarms():
    assert said("promtool", "check", "config", "--syntax-only", "deploy/prometheus/prometheus.yml") == ""
    assert said("promtool", "check", "rules", "deploy/prometheus/alerts.yml") == ""


@needs_promtool
def test_every_query_of_a_panel_can_be_read(tmp_path):
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(QUERIES)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert said("promtool", "check", "rules", str(tmp_path / "rules.yml")) == ""


def test_no_file_names_the_host_of_a_registry():
    """Whoever installs or publishes says where from and where to, in the environment."""
    host = re.compile(r"\b(?:(?:ghcr|quay|docker|gcr)\.io|(?:pypi|pythonhosted|pytorch|npmjs)\.org)\b")
    tracked = said_all("git", "ls-files", "-z", ":!*.jsonl", ":!static/vendor").split("\0")
    assert [name for name in tracked if name and host.search((ROOT / name).read_text(errors="ignore"))] == []


# True of the code


@pytest.mark.django_db
def test_panels_and_alarms_ask_for_figures_that_exist(settings):
    settings.Q_BROKER = "orm"
    known = set(re.findall(r"^# TYPE (\w+)", metrics.exposition().decode(), re.MULTILINE))
    known |= {f"{name}_{part}" for name in known for part in ("bucket", "sum", "count")}
    asked = {name for query in QUERIES for name in re.findall(r"\b(?:ost|embed_star)_\w+", query)}
    assert asked - known == set()


def test_each_alarm_says_what_to_do_and_where_that_is_told_at_length():
    said = {rule["alert"]: rule["annotations"] for rule in ALERTS}
    assert {name: set(each) for name, each in said.items()} == {name: {"summary", "action", "runbook"} for name in said}
    assert {name: each["runbook"] for name, each in said.items()} == {
        name: f"docs/operations.md#{name.lower()}" for name in said
    }


def test_no_two_panels_lie_on_each_other_or_have_one_number():
    cells = [
        (place["x"] + x, place["y"] + y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["w"])
        for y in range(place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_alarm_of_the_manual_is_set():
    manual = (ROOT / "docs" / "operations.md").read_text()
    worth = "".join(re.findall(r"^Worth an alarm: (.*?\.(?=\s))", manual, re.MULTILINE | re.DOTALL))
    expressions = re.findall(r"`([^`]+[<>=][^`]+)`", worth)
    assert len(expressions) >= 10
    assert set(expressions) - {rule["expr"] for rule in ALERTS} == set()


def test_the_manual_says_what_to_do_about_each_alarm():
    manual = (ROOT / "docs" / "operations.md").read_text()
    described = set(re.findall(r"^#### (\w+)$", manual, re.MULTILINE))
    assert {rule["alert"] for rule in ALERTS} - described == set()


def test_panels_ask_the_provisioned_prometheus():
    path = ROOT / "deploy/grafana/provisioning/datasources/prometheus.yaml"
    (source,) = yaml.safe_load(path.read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in PANELS} == {source["uid"]}


def test_only_settings_are_set():
    known = set(re.findall(r"^# ([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    given = {name for service in OURS for name in COMPOSE["services"][service]["environment"]}
    given |= set(MANIFESTS["settings.yaml: ConfigMap ost-engine"]["data"])
    assert {name.removesuffix("_FILE") for name in given} - known == set()


def test_no_secret_is_a_variable():
    """Whoever may look at a container reads its variables; what is secret is named by a file."""
    texts = [(ROOT / "compose.yaml").read_text(), *(path.read_text() for path in KUBERNETES.glob("*.yaml"))]
    secret = re.compile(r"\b[A-Z][A-Z0-9_]*(?:PASSWORD|TOKEN|SECRET|KEY)[A-Z_]*\b")
    given = {name for text in texts for name in secret.findall(text)}
    assert {name for name in given if not name.endswith("_FILE")} == set()


def test_the_web_cannot_read_by_which_name_tables_are_changed():
    pod = MANIFESTS["web.yaml: Deployment web"]["spec"]["template"]["spec"]
    mounted = {item["key"] for item in pod["volumes"][0]["secret"]["items"]}
    assert mounted == set(COMPOSE["services"]["web"]["secrets"])
    assert "database_url" not in mounted


@pytest.fixture
def roles(db):
    """Those of roles.sql, which end with the test. psql's own lines are left out, and its variables said here."""
    text = (ROOT / "deploy/postgres/roles.sql").read_text()
    plain = "".join(line for line in text.splitlines(True) if not re.match(r"\\|SELECT|CREATE EXTENSION", line))
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    for variable, value in ((":'ost_password'", "'x'"), (":'web_password'", "'y'"), (':"name"', name)):
        plain = plain.replace(variable, value)
    with connection.cursor() as cursor:
        cursor.execute(plain)
        cursor.execute("SET ROLE ost; CREATE TABLE public.made (id bigint GENERATED BY DEFAULT AS IDENTITY, word text)")
        cursor.execute("SET ROLE ost_web")
        yield cursor
        cursor.execute("RESET ROLE")


def test_the_webs_role_changes_rows(roles):
    roles.execute("INSERT INTO made (word) VALUES ('a'); UPDATE made SET word = 'b'; DELETE FROM made RETURNING word")
    assert roles.rowcount == 1


@pytest.mark.parametrize("statement", ["CREATE TABLE public.other ()", "ALTER TABLE made ADD x int", "TRUNCATE made"])
def test_the_webs_role_changes_no_table(roles, statement):
    with pytest.raises(ProgrammingError), transaction.atomic():
        roles.execute(statement)


def test_nobody_is_killed_while_they_end():
    longest = settings.TIMING.grace
    assert all(int(COMPOSE["services"][name]["stop_grace_period"].rstrip("s")) > longest + 5 for name in OURS)
    served = [pod for name, pod in pods() if "Deployment" in name]
    assert len(served) == 2
    assert all(pod["terminationGracePeriodSeconds"] > longest + 5 for pod in served)


def test_a_container_is_killed_for_want_of_life_and_not_for_want_of_a_database():
    probes = [container for name, container in containers() if "livenessProbe" in container]
    assert len(probes) == 2
    assert all(container["livenessProbe"]["httpGet"]["path"] == "/livez" for container in probes)
    assert all(container["readinessProbe"]["httpGet"]["path"] == "/health" for container in probes)


def test_the_python_of_the_image_is_one_that_is_tested():
    matrix = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]["strategy"]["matrix"]
    image = re.search(r"python:(\d+\.\d+)\.", (ROOT / "Dockerfile").read_text())
    assert matrix["python"] == ["3.11", "3.12", "3.13"]
    assert image[1] in matrix["python"]


# Closed


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_service_may_do_no_more_than_it_must(name):
    service = COMPOSE["services"][name]
    assert (service["read_only"], service["init"], service["cap_drop"]) == (True, True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service["restart"] in ("always", "on-failure")
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", [name for name in COMPOSE["services"] if COMPOSE["services"][name].get("image")])
def test_an_image_is_named_with_its_version(name):
    assert re.search(r":(v?\d|\$\{OST_VERSION)", COMPOSE["services"][name]["image"])


def test_the_database_and_redis_have_no_way_out():
    assert COMPOSE["networks"]["inside"]["internal"]
    assert [COMPOSE["services"][name]["networks"] for name in ("database", "redis")] == [["inside"], ["inside"]]


@pytest.mark.parametrize(("name", "container"), list(containers()))
def test_a_container_of_a_pod_may_do_no_more_than_it_must(name, container):
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize(("name", "pod"), list(pods()))
def test_a_pod_is_nobody(name, pod):
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False


# What is run


def allowed() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(line for line in lines if line and line[0] != "#") == "*"
    return [line[1:] for line in lines if line.startswith("!")]


def test_what_the_image_holds_is_enough_and_none_of_it_is_secret(tmp_path):
    """The commands start from what the builder is given, in a folder where only .data may be written."""
    for name in allowed():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("tests", "__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    assert not [path for path in tmp_path.rglob(".*") if path.name != ".gitkeep"]
    for command in (["check"], ["worker", "--help"]):
        run = [sys.executable, "-B", "manage.py", *command]
        done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} - {name.partition("/")[0] for name in allowed()} <= {".data"}


class Health(BaseHTTPRequestHandler):
    code = 200

    def do_GET(self) -> None:
        self.send_response(self.code if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *arguments: object) -> None: ...


@pytest.mark.parametrize(("code", "healthy"), [(200, True), (503, False), (302, False)])
def test_a_container_is_healthy_while_health_says_so(monkeypatch, code, healthy):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(Health, "code", code)
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert checked(server.server_port) is healthy


def test_a_port_where_nobody_is_is_not_healthy():
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        port = server.server_port
    assert not checked(port)


def checked(port: int) -> bool:
    script = [sys.executable, "-I", "deploy/healthcheck.py", str(port)]
    return subprocess.run(script, cwd=ROOT).returncode == 0


def make_secrets(folder: Path) -> dict[str, str]:
    runpy.run_path(str(ROOT / "deploy" / "make_secrets.py"))["make"](folder)
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_the_secrets_that_are_mounted_are_made(tmp_path):
    assert set(make_secrets(tmp_path / "secrets")) == set(COMPOSE["secrets"])


def test_a_secret_that_is_there_stays(tmp_path):
    (tmp_path / "ost_password").write_text("m/ne\n")
    first = make_secrets(tmp_path)
    assert make_secrets(tmp_path) == first
    assert first["ost_password"] == "m/ne\n"
    assert environment.env.db_url_config(first["database_url"])["PASSWORD"] == "m/ne"


def test_only_their_owner_gets_to_the_secrets(tmp_path):
    made = make_secrets(tmp_path / "secrets")
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE((tmp_path / "secrets" / name).stat().st_mode) for name in made} == {0o444}
