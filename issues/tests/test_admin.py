"""The admin of issues: lists that stay fast, acts of curators with their refusals, labels asked for once more."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from engine.models import Audit
from engine.tests.staff import sign_in, staff
from engine.urls import url_hash
from issues import edits, relabelling
from issues.admin import issues as issue_page
from issues.admin import labels as label_page
from issues.admin import lists
from issues.models import Cluster, Clustering, Issue, IssueEdit, Label, Lineage, RawItem, Suggestion  # fmt: skip
from issues.tests.factories import DAY, issue_of, make_item, make_model, make_topic, publish
from issues.tests.rows import make_found

pytestmark = pytest.mark.django_db

TABLES = [RawItem, Clustering, Cluster, Issue, IssueEdit, Lineage, Suggestion, Label]
SCRIPT = "<script>alert(1)</script> Broken"
HOSTILE = f"\u202e{SCRIPT}\u200b"


def page_of(table, page, *arguments):
    return reverse(f"admin:issues_{table._meta.model_name}_{page}", args=arguments)


@pytest.fixture
def root():
    return sign_in(staff("root", superuser=True))


@pytest.fixture
def dora():
    return staff("dora", group="curator")


@pytest.fixture
def curator(dora):
    return sign_in(dora)


@pytest.fixture
def operator():
    return sign_in(staff("egon", group="operator"))


@pytest.fixture
def a_day():
    for topic in (0, 1, 2):
        make_topic(topic, 8)
    publish()


def one_of_each(number=1, **facts):
    """A row in each table; of each number another."""
    make_model()
    day = DAY + timedelta(days=number)
    item = make_item(0, number, day, **facts)
    seen = {"first_seen": day, "last_seen": day}
    issue = Issue.objects.create(title="The export stops", label_state="labelled", **seen)
    cluster = make_found(item, issue)
    Label.objects.filter(pk=cluster.label_id).update(prompt_hash=str(number))
    return cluster


def queries(client, address):
    with CaptureQueriesContext(connection) as seen:
        assert client.get(address).status_code == 200
    return len(seen)


def act(client, table, action, *chosen, **more):
    """Choose an action of a list; the answer, and what the next page says of it."""
    form = {"action": action, "_selected_action": [getattr(row, "pk", row) for row in chosen], **more}
    return client.post(page_of(table, "changelist"), form)


def told(client, answer):
    assert answer.status_code == 302, answer.content[:300]
    page = client.get(answer["Location"]).content.decode()
    return " ".join(re.findall(r'<li class="(?:success|error|info|warning)">(.*?)</li>', page, re.DOTALL))


def sure(client, action, *issues):
    """The same with the page in between, which is sent as a browser sends it."""
    page = act(client, Issue, action, *issues).content.decode()
    tokens = dict(re.findall(r'name="(seen-\d+)" value="([^"]*)"', page))
    return lambda: told(client, act(client, Issue, action, *issues, sure="1", **tokens))


# Every page


@pytest.mark.parametrize("table", TABLES)
def test_a_superuser_sees_the_list_and_a_row_of_every_table(root, table):
    one_of_each()
    row = table._default_manager.values_list("pk", flat=True).first()
    for page, arguments in (("changelist", ()), ("change", (row,)), ("history", (row,))):
        assert root.get(page_of(table, page, *arguments)).status_code == 200


@pytest.mark.parametrize("table", TABLES)
def test_not_even_a_superuser_adds_changes_or_deletes_one(root, table):
    one_of_each()
    row = table._default_manager.values_list("pk", flat=True).first()
    before = list(table._default_manager.values())
    assert root.get(page_of(table, "add")).status_code == 403
    assert root.post(page_of(table, "change", row), {"title": "x", "state": "live"}).status_code == 403
    assert root.post(page_of(table, "delete", row), {"post": "yes"}).status_code == 403
    act(root, table, "delete_selected", row, post="yes")
    assert list(table._default_manager.values()) == before


@pytest.mark.parametrize("table", TABLES)
def test_a_list_of_more_rows_takes_no_more_queries(root, table):
    one_of_each(1)
    first = queries(root, page_of(table, "changelist"))
    for number in range(2, 6):
        one_of_each(number)
    assert queries(root, page_of(table, "changelist")) == first <= 12


@pytest.mark.parametrize("table", [RawItem, Clustering, Cluster])
def test_a_page_takes_no_more_queries_the_more_hangs_on_it(root, table):
    one = one_of_each()
    row = {RawItem: one.assignments.get().item, Clustering: one.clustering, Cluster: one}[table]
    first = queries(root, page_of(table, "change", row.pk))
    said = {"mean_distance": 0, "membership": 1, "centroid": [1.0], "label": one.label, "issue": one.issue}
    for number in range(1, 5):
        more = one.clustering.clusters.create(number=number, size=1, **said)
        for exemplar in range(1, 4):
            item = make_item(1, 10 * number + exemplar)
            one.clustering.assignments.create(item=item, cluster=one, exemplar=exemplar, issue=one.issue)
        make_found_elsewhere(row, more) if table is RawItem else None
    assert queries(root, page_of(table, "change", row.pk)) == first <= 12


def make_found_elsewhere(item, cluster):
    """A window of days shows a post on several."""
    day = DAY + timedelta(days=100 + cluster.number)
    live = Clustering.objects.create(day=day, state="live", model=make_model(), method="graph", inputs="x")
    live.assignments.create(item=item, cluster=cluster, issue=cluster.issue)


@pytest.mark.parametrize("table", TABLES)
def test_what_strangers_wrote_is_shown_as_text(root, table):
    one_of_each(title=SCRIPT, source=HOSTILE, said=HOSTILE, body=HOSTILE, licence=HOSTILE, author=HOSTILE)
    said = {"title": SCRIPT, "description": HOSTILE, "claims": [{"field": "impact", "words": HOSTILE}]}
    for described in (Issue, Label):
        described.objects.update(**said, reason=HOSTILE)
    IssueEdit.objects.update(value={"fields": {"title": HOSTILE}})
    row = table._default_manager.order_by("pk").first()
    for address in (page_of(table, "changelist"), page_of(table, "change", row.pk)):
        page = root.get(address).content.decode()
        assert "<script>alert" not in page
        assert not set("\u202e\u200b") & set(page)


def test_an_address_that_is_none_of_the_web_is_no_link(root):
    item = one_of_each(url="javascript:alert(1)").assignments.get().item
    assert 'href="javascript' not in root.get(page_of(RawItem, "change", item.pk)).content.decode()


@pytest.mark.parametrize(
    ("table", "asked"),
    [
        (RawItem, "source=%00"), (RawItem, "cluster=x"), (RawItem, "cluster=0"), (RawItem, "issue=-1"),
        (RawItem, "collected_on__year=99999999999"), (RawItem, "body__regex=((("),
        (RawItem, "author_hash__startswith=a"),
        (Cluster, "label=9e9"), (Cluster, "clustering=99999999999999999999"), (Issue, "label=%00"),
        (Issue, "title__regex=(a%2B)%2B%24"), (IssueEdit, "actor__password__startswith=p"), (IssueEdit, "issue=me"),
        (Label, "made_at__gte=yesterday"), (Lineage, "issue=1.5"), (Suggestion, "q=" + "x" * 201),
    ],
)  # fmt: skip
def test_a_bad_address_of_a_list_is_a_400(root, table, asked):
    one_of_each()
    assert root.get(f"{page_of(table, 'changelist')}?{asked}").status_code == 400


@pytest.mark.parametrize(
    ("table", "asked"),
    [
        (RawItem, "source=github"), (RawItem, "source=nowhere"), (RawItem, "q=%23" + "9" * 30), (RawItem, "q=%25_%5C"),
        (RawItem, "cluster=999"), (RawItem, "p=99999"), (RawItem, "q=https://"), (Issue, "q=%22((("),
        (Issue, "curated=locked"), (Issue, "curated=x"), (Label, "state=anew"), (Label, "o=1.2"), (Cluster, "issue="),
        (IssueEdit, "standing=no&q=nobody"), (Lineage, "q=export"), (Clustering, "state__exact=live"),
    ],
)  # fmt: skip
def test_a_good_address_of_a_list_is_a_page(root, table, asked):
    one_of_each()
    assert root.get(f"{page_of(table, 'changelist')}?{asked}").status_code == 200


# Finding


def found(client, table, asked):
    answer = client.get(f"{page_of(table, 'changelist')}?{asked}")
    return {row.pk for row in answer.context["cl"].result_list}


def test_a_post_is_found_by_its_address_number_and_words(root):
    address = "https://example.org/1"
    item = one_of_each(1, url=address, url_hash=url_hash(address)).assignments.get().item
    other = one_of_each(2, title="Nothing of the kind").assignments.get().item
    assert found(root, RawItem, "q=HTTPS://example.org/1%23here") == {item.pk}
    assert found(root, RawItem, f"q={other.pk}") == found(root, RawItem, "q=of the KIND") == {other.pk}


def test_words_are_looked_for_among_the_newest_only(root, monkeypatch):
    first, second = (one_of_each(number, title="The same words").assignments.get().item for number in (1, 2))
    monkeypatch.setattr(lists, "AMONG", second.pk - first.pk)
    assert found(root, RawItem, "q=same words") == {second.pk}


def test_a_list_counts_no_further_than_it_shows(root, monkeypatch):
    for number in (1, 2, 3):
        one_of_each(number)
    monkeypatch.setattr(lists, "LISTED", 2)
    assert root.get(page_of(RawItem, "changelist")).context["cl"].result_count == 2


def test_no_address_makes_a_list_sort_by_a_column_without_an_index(root):
    for number in (1, 2, 3):
        one_of_each(number, vote_count=-number)
    for order in ("1", "-5", "5.-1"):
        rows = root.get(f"{page_of(RawItem, 'changelist')}?o={order}").context["cl"].result_list
        assert [row.vote_count for row in rows] == [-3, -2, -1]


def test_the_posts_of_a_cluster_and_of_an_issue_are_lists(root, a_day):
    issue = issue_of(0)
    posts = set(issue.evidence.values_list("item", flat=True))
    assert found(root, RawItem, f"issue={issue.pk}") == posts
    assert found(root, RawItem, f"cluster={issue.clusters.get().pk}") == posts
    assert found(root, Cluster, f"issue={issue.pk}") == {issue.clusters.get().pk}


def test_an_edit_is_found_by_either_issue_and_by_who_made_it(root, a_day, dora):
    edit = edits.differ(issue=issue_of(0), other=issue_of(1), by=dora)
    edits.hide(issue=issue_of(2), by=None)
    for asked in (f"issue={edit.issue_id}", f"issue={edit.other_id}", f"q={edit.other_id}", "q=dora"):
        assert found(root, IssueEdit, asked) == {edit.pk}


# Hiding, locking, undoing


@pytest.mark.parametrize(("action", "field"), [("hide_them", "hidden"), ("lock_them", "locked")])
def test_a_curator_hides_and_locks_after_a_look_at_what_was_chosen(curator, dora, a_day, action, field):
    issues = [issue_of(0), issue_of(1)]
    page = act(curator, Issue, action, *issues)
    assert page.status_code == 200
    assert not Issue.objects.filter(**{field: True}).exists()
    assert "2 issues" in sure(curator, action, *issues)()
    assert set(Issue.objects.filter(**{field: True})) == set(issues)
    assert set(IssueEdit.objects.values_list("actor", flat=True)) == {dora.pk}
    assert Audit.objects.filter(actor="dora").count() == 1


def test_the_second_of_two_curators_is_told_who_was_faster(curator, a_day):
    later = sure(curator, "hide_them", issue_of(0))
    edits.change(issue=issue_of(0), fields={"title": "As it is called"}, by=staff("otto"))
    assert "otto was faster" in later()
    assert not Issue.objects.filter(hidden=True).exists()


def test_what_is_refused_is_told_and_the_rest_is_done(curator, a_day):
    edits.lock(issue=issue_of(0), by=None)
    said = sure(curator, "lock_them", issue_of(0), issue_of(1))()
    assert "locked already" in said
    assert "1 issue locked" in said


@pytest.mark.parametrize(
    ("table", "action"),
    [(Issue, "hide_them"), (Issue, "lock_them"), (IssueEdit, "undo"), (Label, "make_again"), (Label, "try_now")],
)
def test_a_row_that_is_gone_is_a_message(root, table, action):
    assert told(root, act(root, table, action, 999_999, sure="1"))


@pytest.mark.parametrize(("table", "action"), [(Issue, "hide_them"), (IssueEdit, "undo"), (Label, "make_again")])
@pytest.mark.parametrize("pk", ["abc", "1\0", "9" * 30, ""])
def test_what_is_no_row_at_all_is_no_fault(root, table, action, pk):
    assert act(root, table, action, pk).status_code in (302, 400)


def test_an_issue_that_goes_between_look_and_act_is_a_message(curator, a_day):
    edit = edits.split(issue=issue_of(0), items=[issue_of(0).evidence[0].item_id], title="Its own", by=None)
    later = sure(curator, "hide_them", edit.other)
    edits.undo(edit=edit, by=None)
    assert "not in this list any more" in later()


def test_more_than_a_page_at_once_is_refused(curator, a_day, monkeypatch):
    monkeypatch.setattr(issue_page, "AT_ONCE", 2)
    assert "2 at most" in told(curator, act(curator, Issue, "hide_them", issue_of(0), select_across="1"))
    assert not IssueEdit.objects.exists()


def test_a_curator_undoes_edits_the_newest_first(curator, dora, a_day):
    split = edits.split(issue=issue_of(0), items=[issue_of(0).evidence[0].item_id], title="Its own", by=None)
    on_it = edits.lock(issue=issue_of(1), by=None)
    assert "2 edits undone" in told(curator, act(curator, IssueEdit, "undo", split, on_it))
    assert set(IssueEdit.objects.values_list("undone_by", flat=True)) == {dora.pk}
    assert Audit.objects.get().action == "undo edits"


def test_undoing_twice_is_refused_with_the_reason(curator, a_day):
    edit = edits.hide(issue=issue_of(0), by=None)
    edits.undo(edit=edit, by=None)
    assert "undone already" in told(curator, act(curator, IssueEdit, "undo", edit))


def test_the_page_of_an_issue_leads_a_curator_to_all_else(curator, operator, a_day):
    address, there = page_of(Issue, "change", issue_of(0).pk), reverse("issue_curate", args=[issue_of(0).pk])
    assert there in curator.get(address).content.decode()
    assert there not in operator.get(address).content.decode()


@pytest.mark.parametrize(("table", "action"), [(Issue, "hide_them"), (Issue, "lock_them"), (IssueEdit, "undo")])
def test_an_operator_curates_nothing(operator, a_day, table, action):
    edits.lock(issue=issue_of(0), by=None)
    act(operator, table, action, table.objects.first(), sure="1")
    assert list(IssueEdit.objects.values_list("kind", "undone_at")) == [("lock", None)]


# Labels


@pytest.fixture
def a_model(settings):
    settings.LLM_MODEL = "local/one"


def labels(*states):
    """One of each state, with a title where it is there."""
    now = timezone.now()
    for number, state in enumerate(states):
        said = {"title": "An old answer"} if state == "labelled" else {"reason": "no answer", "attempts": 3}
        waits = {} if state == "labelled" else {"next_attempt_at": now + timedelta(days=1)}
        Label.objects.create(prompt_hash=str(number), state=state, source="llm", **said, **waits)
    return Label.objects.order_by("pk")


def test_an_answer_asked_for_anew_serves_until_there_is_another(operator, a_model):
    label = one_of_each().label
    assert "1 label" in told(operator, act(operator, Label, "make_again", label))
    live = Clustering.objects.get(state="live")
    assert [cluster.label.title for cluster in live.unlabelled()] == ["The export stops"]
    assert Issue.objects.visible().filter(label=label, title="The export stops").exists()
    assert Audit.objects.values_list("actor", "action").get() == ("egon", "make labels again")


def test_an_answer_about_the_same_posts_does_not_answer_in_its_place(a_model):
    one, same, other = labels("labelled", "labelled", "labelled")
    Label.objects.filter(pk__in=[one.pk, same.pk]).update(fingerprint="f", sources=["github"])
    Label.objects.filter(pk=other.pk).update(fingerprint="f", sources=["reddit"])
    assert relabelling.ask_anew([one.pk], "egon") == 2
    assert list(Label.objects.reusable()) == [other]


def test_asking_twice_for_the_same_is_asking_once(operator, a_model):
    label = one_of_each().label
    act(operator, Label, "make_again", label)
    before = Label.objects.values().get()
    act(operator, Label, "make_again", label)
    assert Label.objects.values().get() == before


def test_without_a_model_nothing_is_asked_for_anew(operator):
    label = one_of_each().label
    assert "no model is named" in told(operator, act(operator, Label, "make_again", label))
    assert Label.objects.get().state == "labelled"


@pytest.mark.parametrize(("action", "limit"), [("make_again", "AT_ONCE"), ("try_now", "MOST_TRIED")])
def test_too_many_labels_at_once_are_refused(operator, a_model, monkeypatch, action, limit):
    before = list(labels("labelled", "label_failed", "deferred").values())
    monkeypatch.setattr(label_page, limit, 2)
    assert "2 at most" in told(operator, act(operator, Label, action, Label.objects.first(), select_across="1"))
    assert list(Label.objects.order_by("pk").values()) == before


def test_what_failed_is_tried_now_and_the_queue_is_rung(operator):
    done, failed, deferred = labels("labelled", "label_failed", "deferred")
    assert "2 labels will be tried at once" in told(operator, act(operator, Label, "try_now", done, failed, deferred))
    due = Label.objects.filter(next_attempt_at__lte=timezone.now(), attempts=0)
    assert set(due) == {failed, deferred}
    assert OrmQ.objects.count() == 1
    assert Audit.objects.get().action == "try labels now"


def test_where_nothing_failed_nothing_is_tried(operator):
    done = labels("labelled").get()
    assert "none that was chosen failed" in told(operator, act(operator, Label, "try_now", done))
    assert not OrmQ.objects.exists()


@pytest.mark.parametrize("action", ["make_again", "try_now"])
def test_a_curator_spends_no_calls(curator, a_model, action):
    before = list(labels("labelled", "label_failed").values())
    act(curator, Label, action, *Label.objects.all())
    assert list(Label.objects.order_by("pk").values()) == before
