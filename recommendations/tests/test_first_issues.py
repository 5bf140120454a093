"""First issues from a GitHub of our own: whom is asked, what is kept, what is closed, and the last look."""

from datetime import timedelta

import pytest
from django.utils import timezone

from engine.models import Source
from engine.pipeline import Later, Scope, StageError
from engine.testing.github import Comment, GitHub, Issue, Repo
from engine.testing.serving import Reply, Server
from recommendations import first_issues
from recommendations.models import FirstIssue, FirstIssueCheck, ProjectActivity
from recommendations.tests.factories import make_project

pytestmark = pytest.mark.django_db
GOOD = ["good first issue"]


@pytest.fixture
def github(settings):
    """A world with nothing in it, and settings that lead there."""
    world = GitHub()
    with Server(world) as server:
        settings.GITHUB_GRAPHQL_URL, settings.GITHUB_API_URL = f"{server.url}/graphql", server.url
        settings.GITHUB_ACCESS_TOKEN, settings.ALLOW_PRIVATE_UPSTREAMS = "sample-token", True
        world.server = server
        yield world


def offers(world, name="octo/tool", **facts):
    """A repository there, and its project here."""
    repo = Repo(id=len(world.repositories) + 1, full_name=name)
    world.add(repo)
    known = {"node_id": repo.node_id, "github_id": repo.id, "pushed_at": timezone.now(), **facts}
    return make_project(name, **known)


def opened(world, number=1, repo="octo/tool", **facts):
    issue = Issue(repo, number, facts.pop("title", f"Mend part {number}"), labels=facts.pop("labels", GOOD), **facts)
    world.open_issue(issue)
    return issue


def collect():
    total: dict[str, int] = {}
    for counts in first_issues.collect(Scope(source="github")):
        for name, count in counts.items():
            total[name] = total.get(name, 0) + count
    return total


def only():
    return FirstIssue.objects.with_project().get()


def late(rows=None, **age):
    """As if they had been looked at that long ago."""
    then = timezone.now() - timedelta(**age)
    (rows or FirstIssue.objects).update(checked_at=then, asked_at=then)
    FirstIssueCheck.objects.update(asked_at=then)


# Whom is asked


def test_the_longest_unasked_come_first_and_those_never_asked_before_them(github):
    for name, hours in (("octo/a", 30), ("octo/b", 50), ("octo/c", None)):
        project = offers(github, name)
        if hours:
            FirstIssueCheck.objects.create(project=project, asked_at=timezone.now() - timedelta(hours=hours))
    assert [project.name for project in first_issues.due()] == ["c", "b", "a"]


@pytest.mark.parametrize(
    "facts",
    [{"node_id": ""}, {"is_archived": True}, {"open_issues": 0}, {"gone_at": timezone.now()}, {"is_disabled": True}],
)
def test_who_cannot_have_any_is_not_asked(github, facts):
    offers(github, **facts)
    assert first_issues.waiting(Scope()) == 0


def test_who_was_asked_today_is_not_asked_again(github):
    offers(github)
    collect()
    asked = len(github.server.asked)
    assert (collect(), len(github.server.asked)) == ({}, asked)


def test_by_force_all_are_asked_once_more(github):
    for number in range(25):
        offers(github, f"octo/tool{number}")
    collect()
    asked = [counts["asked"] for counts in first_issues.collect(Scope(source="github", force=True))]
    assert asked == [20, 5]


def test_without_a_token_nobody_is_asked(github, settings):
    settings.GITHUB_ACCESS_TOKEN = ""
    offers(github)
    assert (first_issues.waiting(Scope()), collect(), github.server.asked) == (0, {}, [])


def test_a_pass_is_bounded(github, monkeypatch):
    monkeypatch.setattr(first_issues, "A_PASS", 20)
    for number in range(21):
        offers(github, f"octo/tool{number}")
    assert (first_issues.waiting(Scope()), collect()["asked"], first_issues.waiting(Scope())) == (20, 20, 1)


def test_twenty_projects_are_one_request(github):
    for number in range(20):
        offers(github, f"octo/tool{number}")
    collect()
    assert len(github.server.asked) == 1


# What is kept


def test_an_issue_is_kept_as_it_stands(github):
    offers(github)
    when = timezone.now().replace(microsecond=0) - timedelta(days=3)
    opened(
        github, 7, title="Say what failed", labels=["Good First Issue", "bug"], body="Please do. " * 10,
        comments=[Comment("ada", "NONE", when, "I'd like to work on this")], assignees=["bob"], linked_pulls=2,
        created_at=when, updated_at=when, author_association="MEMBER",
    )  # fmt: skip
    assert collect() == {"asked": 1, "found": 1, "closed": 0, "failed": 0}
    row = only()
    assert (row.number, row.title, row.labels, row.names) == (
        7, "Say what failed", ["Good First Issue", "bug"], ["good first issue", "bug"])  # fmt: skip
    assert (row.assignees, row.pulls, row.comments, row.claimed_at, row.author_association) == (1, 2, 1, when, "MEMBER")
    assert (row.url, row.body, row.created_at) == ("https://github.com/octo/tool/issues/7", 109, when)


@pytest.mark.parametrize("label", ["E-easy", "D - easy", "help wanted", "Good First Issue", "up-for-grabs", "beginner"])
def test_projects_spell_their_labels_as_they_like(github, label):
    offers(github)
    opened(github, labels=[label])
    assert collect()["found"] == 1


@pytest.mark.parametrize("facts", [{"labels": ["bug"]}, {"state": "closed"}, {"is_pull_request": True}])
def test_other_issues_are_not_kept(github, facts):
    offers(github)
    opened(github, **facts)
    collect()
    assert not FirstIssue.objects.exists()


def test_the_score_is_the_sum_of_the_parts_that_are_shown(github):
    project = offers(github, pushed_at=timezone.now() - timedelta(days=100))
    ProjectActivity.objects.create(project=project, response_hours=30, measured_at=timezone.now())
    opened(github, body="Do it so.")
    collect()
    row = only()
    assert sum(part.adds for part in row.ready.parts) == pytest.approx(row.score, abs=1e-9)
    assert 0.5 < row.score < 1


@pytest.mark.parametrize("facts", [{"assignees": ["bob"]}, {"linked_pulls": 1}])
def test_what_is_taken_is_kept_and_not_offered(github, facts):
    offers(github)
    opened(github, **facts)
    collect()
    assert (only().score, FirstIssue.objects.takeable().count()) == (0, 0)


def test_the_readiest_come_first(github):
    offers(github)
    opened(github, 1, comments=[Comment("ada", "NONE", timezone.now(), "/assign")])
    opened(github, 2, body="All is said. " * 100)
    collect()
    assert [row.number for row in FirstIssue.objects.takeable()] == [2, 1]


def test_a_hostile_title_is_kept_as_words(github):
    offers(github)
    opened(github, title="\x00\u202e<script>alert(1)</script>" + "x" * 5000)
    collect()
    assert ("\x00" in only().title, len(only().title)) == (False, 300)


# What is closed


def test_what_is_no_longer_there_is_closed(github):
    offers(github)
    opened(github, 1)
    opened(github, 2)
    collect()
    github.close_issue("octo/tool", 1)
    github.delete_issue("octo/tool", 2)
    late(hours=21)
    assert collect()["closed"] == 2
    assert not FirstIssue.objects.filter(state="open").exists()


def test_what_lost_its_label_is_closed(github):
    offers(github)
    opened(github)
    collect()
    github.change_issue("octo/tool", 1, labels=["wontfix"])
    late(hours=21)
    assert collect()["closed"] == 1


def test_all_of_a_repository_that_is_gone_are_closed(github):
    offers(github)
    opened(github)
    collect()
    github.delete("octo/tool")
    late(hours=21)
    assert (collect()["closed"], FirstIssueCheck.objects.get().found) == (1, 0)


def test_of_more_than_one_answer_holds_the_others_stay_as_they_are(github):
    offers(github)
    now = timezone.now()
    for number in range(1, 21):
        opened(github, number, updated_at=now - timedelta(days=number))
    collect()
    opened(github, 30, updated_at=now)
    late(hours=21)
    assert collect()["closed"] == 0
    assert FirstIssue.objects.filter(state="open").count() == 21


def test_a_fault_beside_a_null_closes_nothing(github):
    offers(github)
    opened(github)
    collect()
    late(hours=21)
    wrong = {"type": "SERVICE_UNAVAILABLE", "path": ["nodes", 0], "message": "Something went wrong"}
    github.server.faults.script(
        "/graphql", Reply({"data": {"nodes": [None], "rateLimit": {"cost": 1}}, "errors": [wrong]})
    )
    assert collect() == {"asked": 1, "found": 0, "closed": 0, "failed": 1}
    assert FirstIssueCheck.objects.get().reason == "Something went wrong"


@pytest.mark.parametrize("state", ["closed", "open"])
def test_what_nobody_looked_at_for_a_month_is_deleted(github, state):
    offers(github)
    opened(github)
    collect()
    FirstIssue.objects.update(state=state)
    late(days=31)
    assert (first_issues.prune(3), FirstIssue.objects.count()) == (1, 0)


# When GitHub is not well


def test_what_is_too_much_is_asked_in_halves(github, settings):
    for number in range(4):
        offers(github, f"octo/tool{number}")
        opened(github, repo=f"octo/tool{number}")
    too_much = lambda asked: asked.path == "/graphql" and asked.body.count(b"R_kgDO") > 1  # noqa: E731
    github.server.faults.script(too_much, Reply(b"<html>", 502), times=None)
    settings.TIMING = settings.TIMING.faster(1000)
    assert collect()["found"] == 4


def test_a_limit_makes_the_run_wait(github):
    offers(github)
    github.tire(retry_after=60)
    with pytest.raises(Later):
        collect()
    assert first_issues.waiting(Scope()) == 1


def test_a_refused_token_stops_the_stage(github, settings):
    settings.GITHUB_ACCESS_TOKEN = "none-of-theirs"
    offers(github)
    with pytest.raises(StageError, match="accept"):
        collect()


# The last look


@pytest.fixture
def on(github):
    """The source is switched on, and there is one issue of an hour ago."""
    Source.objects.create(pipeline="recommendations", name="github", on=True)
    offers(github)
    opened(github)
    collect()
    late(hours=1)
    github.server.asked.clear()
    return github


def looked():
    return first_issues.look(list(FirstIssue.objects.values_list("pk", flat=True)))


def test_what_is_stale_is_asked_for_before_it_is_shown(on):
    on.assign("octo/tool", 1, "bob")
    (row,) = looked()
    assert (row.assignees, row.score) == (1, 0)
    assert timezone.now() - row.checked_at < timedelta(minutes=1)


def test_what_is_gone_is_closed_at_the_look(on):
    on.delete_issue("octo/tool", 1)
    assert looked()[0].state == "closed"


def test_all_that_are_shown_are_one_request(on):
    for number in range(2, 12):
        opened(on, number)
    late(hours=21)
    collect()
    late(hours=1)
    on.server.asked.clear()
    assert (len(looked()), len(on.server.asked)) == (11, 1)


def test_what_was_looked_at_within_a_quarter_of_an_hour_is_not_asked_for(on):
    late(minutes=14)
    looked()
    assert on.server.asked == []


def test_looking_again_and_again_asks_once(on):
    for _ in range(5):
        looked()
    assert len(on.server.asked) == 1


def test_an_answer_that_never_came_is_not_asked_for_again(on):
    on.server.faults.script("/graphql", Reply({}, 500), times=None)
    for _ in range(3):
        (row,) = looked()
    assert (len(on.server.asked), row.state, timezone.now() - row.checked_at > timedelta(minutes=59)) == (
        1,
        "open",
        True,
    )


def test_when_github_is_slow_the_stored_ones_come_in_time(on, monkeypatch):
    monkeypatch.setattr(first_issues, "DEADLINE", 0.2)
    on.server.faults.script("/graphql", Reply({}, delay=2))
    began = timezone.now()
    assert len(looked()) == 1
    assert timezone.now() - began < timedelta(seconds=1.5)


def test_nobody_makes_us_hammer_github(on, monkeypatch):
    monkeypatch.setattr(first_issues, "A_MINUTE", 2)
    for number in range(2, 6):
        opened(on, number)
    late(hours=21)
    collect()
    late(hours=1)
    on.server.asked.clear()
    for row in FirstIssue.objects.all():
        first_issues.look([row.pk])
    assert len(on.server.asked) == 2


@pytest.mark.parametrize("without", ["token", "source"])
def test_without_a_token_or_the_source_nothing_goes_out(on, settings, without):
    if without == "token":
        settings.GITHUB_ACCESS_TOKEN = ""
    else:
        Source.objects.update(on=False)
    assert (len(looked()), on.server.asked) == (1, [])


def test_what_is_shown_to_nobody_is_not_asked_for(on):
    late(days=3)
    looked()
    assert on.server.asked == []


def test_a_look_that_another_thread_is_at_is_not_waited_for(on):
    with first_issues.LOOKING:
        assert (len(looked()), on.server.asked) == (1, [])


def test_rows_come_in_the_order_that_was_asked_for_without_those_that_are_gone(on):
    (row,) = FirstIssue.objects.all()
    assert [each.pk for each in first_issues.look([row.pk + 1, row.pk])] == [row.pk]
