import re

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Success

from engine import ledger
from engine.models import Anomaly, ApiKey, Audit, EmbeddingModel, Run, Step, WorkerGroup
from engine.tests.staff import sign_in, staff

pytestmark = pytest.mark.django_db

RUNS = reverse("admin:engine_run_changelist")


@pytest.fixture
def root():
    return sign_in(staff("root", superuser=True))


@pytest.fixture
def operator():
    return sign_in(staff("olga", "engine.view_run", "engine.change_run", "engine.view_anomaly"))


def make_run(state="quarantined", **fields):
    return Run.objects.create(pipeline="recommendations", state=state, error="it broke", **fields)


def make_run_with_steps(number):
    run = make_run("done", source=f"s{number}", finished_at=timezone.now(), counts={"score": {"scored": 2}})
    Step.objects.create(run=run, name="score", fence=1, counts={"scored": 2}, finished_at=timezone.now())
    return run


def make_key(user, name="laptop"):
    return ApiKey.objects.issue(user, name, ["read"], 30)[0]


def queries(client, address):
    with CaptureQueriesContext(connection) as seen:
        assert client.get(address).status_code == 200
    return len(seen)


def told(client, response):
    page = client.get(response["Location"]).content.decode()
    return " ".join(re.findall(r'<li class="(?:success|error|info|warning)">(.*?)</li>', page, re.DOTALL))


def one_of_each():
    """A row in each table of the machinery that has a page."""
    make_run_with_steps(1)
    Audit.objects.create(actor="alice_ml", action="run again", subject="run 1")
    Anomaly.objects.create(kind="run", subject="run 1", message="quarantined")
    WorkerGroup.objects.create(name="g1", host="here", pid=1)
    EmbeddingModel.objects.live()
    make_key(staff("kay"))
    when = timezone.now()
    Success.objects.create(id="a" * 32, name="run 1", func="engine.jobs.work", started=when, stopped=when)
    Schedule.objects.create(name="nightly", func="engine.jobs.start", schedule_type="O")
    OrmQ.objects.create(key="ost", payload="nothing", lock=when)


TABLES = [Run, Audit, Anomaly, WorkerGroup, EmbeddingModel, ApiKey, Success, Schedule, OrmQ]


def page_of(table, page, *arguments):
    return reverse(f"admin:{table._meta.app_label}_{table._meta.model_name}_{page}", args=arguments)


@pytest.mark.parametrize("table", TABLES)
def test_a_superuser_sees_the_list_and_a_row_of_every_table(root, table):
    one_of_each()
    row = table._default_manager.values_list("pk", flat=True).first()
    assert root.get(page_of(table, "changelist")).status_code == 200
    assert root.get(page_of(table, "change", row)).status_code == 200
    assert root.get(page_of(table, "history", row)).status_code == 200


@pytest.mark.parametrize("table", TABLES)
def test_nobody_adds_a_row_of_the_machinery(root, table):
    assert root.get(page_of(table, "add")).status_code == 403


@pytest.mark.parametrize("table", [each for each in TABLES if each is not Anomaly])
def test_not_even_a_superuser_deletes_one(root, table):
    one_of_each()
    row = table._default_manager.values_list("pk", flat=True).first()
    assert root.post(page_of(table, "delete", row), {"post": "yes"}).status_code == 403
    root.post(page_of(table, "changelist"), {"action": "delete_selected", "_selected_action": [row], "post": "yes"})
    assert table._default_manager.filter(pk=row).exists()


@pytest.mark.parametrize("table", TABLES)
def test_not_even_a_superuser_changes_one(root, table):
    one_of_each()
    row = table._default_manager.values_list("pk", flat=True).first()
    assert root.post(page_of(table, "change", row), {"state": "done", "actor": "bob_webdev"}).status_code == 403


def test_a_seen_anomaly_can_be_deleted(root):
    Anomaly.objects.create(kind="run", subject="run 1", message="quarantined")
    root.post(page_of(Anomaly, "delete", Anomaly.objects.get().pk), {"post": "yes"})
    assert not Anomaly.objects.exists()


def test_who_deleted_it_is_kept(root):
    Anomaly.objects.create(kind="run", subject="run 1", message="quarantined")
    root.post(page_of(Anomaly, "delete", Anomaly.objects.get().pk), {"post": "yes"})
    assert Audit.objects.values_list("actor", "action").get() == ("root", "delete anomaly")


@pytest.mark.parametrize(
    "asked",
    [
        "pipeline__exact=%00", "created_at__year=99999999999", "error__regex=(((", "error__regex=(a%2B)%2B%24",
        "owner__startswith=p", "state__iregex=x", "steps__error__contains=x", "created_at__gte=yesterday",
        "created_at__gte=99999-01-01", "p=abc&o=x&e=1&created_at__year=1", "unknown=1", "_connector=OR",
        "q=" + "x" * 201,
    ],
)  # fmt: skip
def test_a_bad_address_of_a_list_is_a_400(root, asked):
    make_run()
    assert root.get(f"{RUNS}?{asked}").status_code == 400


@pytest.mark.parametrize(
    "asked", ["state__exact=quarantined", "q=broke", "o=-1.2", "p=1", "all=", "p=abc", "p=999999", "o=9999999"]
)
def test_a_good_address_of_a_list_is_a_page(root, asked):
    make_run()
    assert root.get(f"{RUNS}?{asked}").status_code == 200


@pytest.mark.parametrize("pk", ["abc", "1\0", "-", "9" * 5000, "1e400"])
def test_an_action_on_ids_that_are_none_is_a_400(root, pk):
    make_run()
    assert root.post(RUNS, {"action": "run_again", "_selected_action": [pk]}).status_code == 400


@pytest.mark.parametrize("pk", ["7" * 30, "999999", "-1"])
def test_an_action_on_a_row_that_is_gone_changes_nothing(root, pk):
    assert root.post(RUNS, {"action": "run_again", "_selected_action": [pk]}).status_code == 302


@pytest.mark.parametrize("pk", ["abc", "9" * 30, "1.5", "'"])
def test_a_row_that_is_none_leads_back_with_a_word(root, pk):
    assert root.get(page_of(Run, "change", pk)).status_code == 302


def test_a_quarantined_run_is_run_again(operator):
    run = make_run()
    operator.post(reverse("admin:engine_run_again", args=[run.pk]))
    run.refresh_from_db()
    assert (run.state, run.attempts, OrmQ.objects.count()) == ("waiting", 0, 1)


def test_who_had_it_run_again_is_kept(operator):
    operator.post(reverse("admin:engine_run_again", args=[make_run().pk]))
    assert Audit.objects.values_list("actor", "action").get() == ("olga", "run again")


def test_several_runs_are_run_again_from_the_list(operator):
    chosen = [make_run(source=name).pk for name in ("a", "b")]
    operator.post(RUNS, {"action": "run_again", "_selected_action": chosen})
    assert Run.objects.filter(state="waiting").count() == 2


@pytest.mark.parametrize("state", ["running", "done", "partly"])
def test_a_run_that_is_at_work_or_over_is_not_run_again(operator, state):
    run = make_run(state)
    response = operator.post(reverse("admin:engine_run_again", args=[run.pk]))
    assert f"run {run.pk} is {state}" in told(operator, response)


def test_a_run_that_is_gone_gets_a_message(operator):
    assert "there is no run 999" in told(operator, operator.post(reverse("admin:engine_run_again", args=[999])))


def test_only_a_post_runs_anything(operator):
    assert operator.get(reverse("admin:engine_run_request")).status_code == 405


def test_the_pipeline_is_run_by_a_button(operator):
    response = operator.post(reverse("admin:engine_run_request"), {"pipeline": "recommendations"})
    assert "is due at once" in told(operator, response)
    assert Run.objects.get().state == "waiting"


def test_a_pipeline_at_work_is_left_at_work(operator):
    ledger.claim_due(make_run("waiting").pk)
    response = operator.post(reverse("admin:engine_run_request"), {"pipeline": "recommendations"})
    assert "is at work already" in told(operator, response)


@pytest.mark.parametrize("name", ["", "issues2", "../etc"])
def test_an_unknown_pipeline_is_refused(operator, name):
    assert operator.post(reverse("admin:engine_run_request"), {"pipeline": name}).status_code == 400


def test_who_may_only_look_runs_nothing():
    looker, run = sign_in(staff("lea", "engine.view_run")), make_run()
    assert looker.post(reverse("admin:engine_run_request"), {"pipeline": "recommendations"}).status_code == 403
    assert looker.post(reverse("admin:engine_run_again", args=[run.pk])).status_code == 403
    looker.post(RUNS, {"action": "run_again", "_selected_action": [run.pk]})
    assert Run.objects.get().state == "quarantined"


def test_staff_without_a_permission_sees_the_first_page_only():
    nobody = sign_in(staff("noel"))
    assert nobody.get(reverse("admin:index")).status_code == 200
    assert nobody.get(RUNS).status_code == 403


def test_a_keys_text_and_digest_are_on_no_page(root):
    key, text = ApiKey.objects.issue(staff("kay"), "laptop", ["read"], 30)
    pages = [root.get(page_of(ApiKey, "changelist")), root.get(page_of(ApiKey, "change", key.pk))]
    for page in pages:
        assert key.shown in page.content.decode()
        assert text not in page.content.decode()
        assert key.digest not in page.content.decode()


def test_a_revoked_key_opens_nothing(root):
    key, text = ApiKey.objects.issue(staff("kay"), "laptop", ["read"], 30)
    root.post(page_of(ApiKey, "changelist"), {"action": "revoke", "_selected_action": [key.pk]})
    assert ApiKey.objects.behind(text) is None


def test_who_may_only_look_revokes_nothing():
    key = make_key(staff("kay"))
    looker = sign_in(staff("lea", "engine.view_apikey"))
    looker.post(page_of(ApiKey, "changelist"), {"action": "revoke", "_selected_action": [key.pk]})
    assert ApiKey.objects.get().revoked_at is None


@pytest.mark.parametrize("name", ["allowance", "idempotentreply"])
def test_tables_that_tell_nobody_anything_have_no_page(name):
    assert name not in {table._meta.model_name for table in admin.site._registry}


class Bomb:
    def __reduce__(self):
        return (Anomaly.objects.alarm, ("unpickled", "a task", "it went off"))


def test_the_pages_of_the_queue_open_no_pickle(root):
    when = timezone.now()
    task = Success.objects.create(id="b" * 32, name="t", func="f", args=(Bomb(),), started=when, stopped=when)
    Anomaly.objects.all().delete()  # storing it opened one
    for page in (page_of(Success, "changelist"), page_of(Success, "change", task.pk)):
        assert root.get(page).status_code == 200
    assert not Anomaly.objects.exists()


@pytest.mark.parametrize("table", [Success, Schedule, OrmQ])
def test_the_queues_tables_offer_no_action(root, table):
    one_of_each()
    assert 'name="action"' not in root.get(page_of(table, "changelist")).content.decode()


def test_the_first_page_counts_what_waits(root):
    make_run()
    page = root.get(reverse("admin:index")).content.decode()
    assert "<b>1</b> runs quarantined" in page
    assert "<b>0</b> anomalies" in page


def test_the_first_page_tells_staff_only_what_they_may_see():
    make_run()
    page = sign_in(staff("noel")).get(reverse("admin:index")).content.decode()
    assert "quarantined" not in page


@pytest.mark.parametrize("address", [RUNS, reverse("admin:engine_audit_changelist"), reverse("admin:index")])
def test_our_pages_carry_no_inline_script_or_style(root, address):
    make_run()
    page = root.get(address).content.decode()
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|javascript:", page)


def test_ten_more_runs_cost_no_more_queries(root):
    make_run_with_steps(0)
    before = queries(root, RUNS)
    for number in range(1, 11):
        make_run_with_steps(number)
    assert queries(root, RUNS) == before <= 12


def test_ten_more_keys_cost_no_more_queries(root):
    user, address = staff("kay"), page_of(ApiKey, "changelist")
    make_key(user)
    before = queries(root, address)
    for number in range(10):
        make_key(staff(f"kay{number}"))
    assert queries(root, address) == before <= 12
