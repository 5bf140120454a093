"""From a GitHub of our own to projects: found once, kept up to date, and nothing asked for in vain."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from engine import runs
from engine.collectors.github_details import Details
from engine.models import Fetch, Run, Upstream
from engine.pipeline import Later, Scope, StageError
from engine.records import Repository
from engine.testing.github import Comment, Commit, GitHub, Issue, Repo, synthetic
from engine.testing.serving import Clock, Reply, Server
from engine.timing import Timing
from recommendations import collecting, detailing, seeding
from recommendations.models import NamedRepository, Project, ProjectActivity, ProjectCommit, RepositoryQuery
from recommendations.pipeline import RECOMMENDATIONS
from recommendations.tests.factories import snapshot

pytestmark = pytest.mark.django_db
DAY = date(2026, 9, 2)
TODAY = datetime(2026, 9, 2, 12, tzinfo=UTC)
FASTER = 60
MACHINERY = ("engine_run", "engine_step", "engine_upstream", "engine_fetch")


@pytest.fixture
def serve(settings):
    """Serves a world, and says so in the settings; its clock runs faster, and ours of waiting with it."""
    servers = []

    def started(world, token="sample-token"):
        server = Server(world)
        server.__enter__()
        servers.append(server)
        settings.GITHUB_API_URL, settings.GITHUB_GRAPHQL_URL = server.url, f"{server.url}/graphql"
        settings.GITHUB_ACCESS_TOKEN, settings.ALLOW_PRIVATE_UPSTREAMS = token, True
        settings.TIMING = replace(Timing(), upstream=1 / FASTER)
        return server

    yield started
    for server in servers:
        server.__exit__(None, None, None)


def world(*repositories, issues=()):
    return GitHub(Clock(FASTER, TODAY.timestamp()), repositories, issues)


def repo(number=1, **facts):
    facts = {"language": "Python", "languages": {"Python": 9}, "readme": "Hello", "stars": 100 + number, **facts}
    return Repo(id=number, full_name=f"octo/tool{number}", **facts)


def with_commits(number=1, count=5):
    return repo(number, commits=[commit(at) for at in range(count)])


def commit(at):
    return Commit(f"{at:040x}", TODAY - timedelta(hours=at), files=[("src/a.py", at, 1)])


def want(**facts):
    return RepositoryQuery.objects.create(
        **{"language": "Python", "stars_from": 10, "pushed_within_days": 400, **facts}
    )


def named(name="octo/tool1", **facts):
    return NamedRepository.objects.create(full_name=name, **facts)


def collected(day=DAY):
    """All three stages, as they are; what became of it."""
    total: Counter[str] = Counter()
    for counts in (*collecting.collect(day), *detailing.commits(), *detailing.details()):
        total.update(counts)
    return total


def test_a_thousand_repositories_with_all_details_take_at_most_60_requests(serve):
    server = serve(world(*synthetic(1_100)))
    want(language="", at_most=1_000)
    collected()
    assert Project.objects.exclude(detailed_for=None).count() == 1_000
    assert len(server.asked) <= 60  # one at a time by REST it is 3,000: repository, languages, README


def test_a_run_of_the_source_stores_everything_once(serve):
    made = synthetic(300)
    serve(world(*made))
    want(language="")
    run = runs.run(RECOMMENDATIONS, Scope(DAY, "github"))
    assert run.state == Run.State.DONE, run.error
    found = {project.full_name: project for project in Project.objects.all()}
    expected = {each.full_name: each for each in made if each.pushed_at and not each.fork and each.stars >= 10}
    assert found.keys() == expected.keys()
    assert all(found[name].stars == each.stars for name, each in expected.items())
    assert all(found[name].topics == each.topics for name, each in expected.items())
    assert all(bool(found[name].readme) == bool(each.readme) for name, each in expected.items())
    assert {name for name in found if found[name].is_archived} == {name for name in expected if expected[name].archived}


def test_the_same_day_again_asks_nothing_and_changes_nothing(serve):
    server = serve(world(with_commits(1), repo(2)))
    want()
    named()
    collected()
    before, asked = snapshot(), len(server.asked)
    collected()
    assert (snapshot(), len(server.asked)) == (before, asked)


def test_the_next_day_only_searches_and_changes_nothing(serve):
    server = serve(world(with_commits(1), repo(2)))
    want()
    named()
    collected()
    before, asked = snapshot(*MACHINERY), len(server.asked)
    collected(DAY + timedelta(days=1))
    assert snapshot(*MACHINERY) == before
    assert [each.path for each in server.asked[asked:]] == ["/graphql", "/repos/octo/tool1"]
    assert server.asked[-1].headers["if-none-match"]


def test_more_stars_are_no_reason_for_details(serve):
    github = world(repo())
    server = serve(github)
    want()
    collected()
    facts, asked = Project.objects.get().facts_hash, len(server.asked)
    github.change("octo/tool1", stars=5_000)
    collected(DAY + timedelta(days=1))
    project = Project.objects.get()
    assert (project.stars, project.facts_hash, len(server.asked) - asked) == (5_000, facts, 1)


def test_a_push_is_a_reason_for_details(serve):
    github = world(repo())
    serve(github)
    want()
    collected()
    github.change("octo/tool1", readme="Better")
    github.push("octo/tool1", commit(9))
    collected(DAY + timedelta(days=1))
    assert Project.objects.get().readme == "Better"


def test_details_that_fail_leave_what_was_known(serve):
    github = world(repo(), repo(2))
    server = serve(github)
    want()
    collected()
    for name in ("octo/tool1", "octo/tool2"):
        github.change(name, readme="Better", languages={})
        github.push(name, commit(9))
    server.faults.script(lambda asked: b"R_kgDO00000001" in asked.body, Reply(b"<html>", 502), times=None)
    total = collected(DAY + timedelta(days=1))
    bad, good = Project.objects.order_by("github_id")
    assert (bad.readme, bad.languages, good.readme, total["faults"]) == ("Hello", {"Python": 9}, "Better", 1)


def test_details_that_failed_are_asked_for_again_an_hour_later(serve):
    server = serve(world(repo()))
    want()
    server.faults.script(lambda asked: b"R_kgDO00000001" in asked.body, Reply(b"<html>", 502))
    collected()
    assert not detailing.to_detail().exists()
    Project.objects.update(details_after=TODAY - timedelta(days=900))
    collected()
    assert Project.objects.get().readme == "Hello"


def test_one_that_vanished_is_gone_with_the_reason_and_not_offered(serve):
    github = world(repo(), repo(2))
    serve(github)
    want()
    list(collecting.collect(DAY))
    github.delete("octo/tool1")
    collected()
    project = Project.objects.get(github_id=1)
    assert (bool(project.gone_at), project.gone_reason) == (True, "GitHub no longer knows it")
    assert [each.github_id for each in Project.objects.offered()] == [2]


def test_activity_is_measured_with_the_details(serve):
    answered = [Comment("boss", "MEMBER", TODAY - timedelta(hours=20), "")]
    issue = Issue("octo/tool1", 1, "It hangs", created_at=TODAY - timedelta(hours=24), comments=answered)
    serve(world(repo(), issues=[issue]))
    want()
    collected()
    activity = ProjectActivity.objects.get()
    assert (activity.commits_month, activity.response_hours) == (0, 4.0)


def test_odd_characters_are_cleaned(serve):
    serve(world(repo(description="a\0b", readme="c\0d")))
    want()
    collected()
    project = Project.objects.get()
    assert (project.description, project.readme) == ("ab", "cd")


def test_what_no_query_finds_any_more_is_looked_up_now_and_then(serve):
    github = world(repo(1), repo(2))
    serve(github)
    want()
    collected()
    RepositoryQuery.objects.update(on=False)
    github.delete("octo/tool1")
    github.rename("octo/tool2", "octo/better")
    server = serve(github)
    for day in range(1, collecting.DAYS + 1):
        collected(DAY + timedelta(days=day))
    gone, renamed = Project.objects.order_by("github_id")
    assert (bool(gone.gone_at), renamed.full_name) == (True, "octo/better")
    assert len(server.asked) == 2


def test_answers_that_are_always_too_heavy_end_in_single_ones(serve):
    github = world(*(repo(number) for number in range(1, 26)))
    serve(github)
    want()
    github.most_readmes = 4
    collected()
    assert {project.readme for project in Project.objects.all()} == {"Hello"}


def test_a_run_says_that_something_was_left_behind(serve):
    server = serve(world(repo()))
    want()
    server.faults.script(lambda asked: b"R_kgDO00000001" in asked.body, Reply(b"<html>", 502), times=None)
    run = runs.run(RECOMMENDATIONS, Scope(DAY, "github"))
    assert (run.state, run.counts["details"]["failed"]) == (Run.State.PARTLY, 1)


# By name


def test_a_named_repository_comes_with_its_last_commits(serve):
    serve(world(with_commits(count=5)))
    named(commits=3)
    collected()
    kept = ProjectCommit.objects.order_by("-committed_at")
    assert [each.files for each in kept] == [[["src/a.py", at, 1]] for at in range(3)]
    assert {len(each.author_hash) for each in kept} == {64}


def test_known_commits_are_not_asked_for_again(serve):
    github = world(with_commits(count=5))
    server = serve(github)
    named(commits=3)
    collected()
    github.push("octo/tool1", Commit("f" * 40, TODAY + timedelta(hours=1)))
    asked = len(server.asked)
    collected(DAY + timedelta(days=1))
    assert [each.path for each in server.asked[asked:] if "/commits/" in each.path] == [
        f"/repos/octo/tool1/commits/{'f' * 40}"
    ]
    assert ProjectCommit.objects.count() == 3


def test_an_interrupted_list_of_commits_is_finished(serve):
    server = serve(world(with_commits(count=5)))
    named(commits=5)
    list(collecting.collect(DAY))
    going = detailing.commits()
    next(going), next(going)
    going.close()
    asked = len(server.asked)
    collected()
    assert ProjectCommit.objects.count() == 5
    assert len([each for each in server.asked[asked:] if "/commits/" in each.path]) == 3


def test_a_renamed_one_keeps_its_row_and_is_named_anew(serve):
    github = world(repo())
    serve(github)
    row = named()
    collected()
    before = Project.objects.get().pk
    github.rename("octo/tool1", "octo/better")
    collected(DAY + timedelta(days=1))
    row.refresh_from_db()
    assert (Project.objects.get().pk, Project.objects.get().full_name, row.full_name) == (
        before, "octo/better", "octo/better",
    )  # fmt: skip


def test_two_names_of_one_repository_are_asked_for_once(serve):
    github = world(repo())
    serve(github)
    old, new = named("octo/tool1"), named("octo/better")
    github.rename("octo/tool1", "octo/better")
    collected()
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.on, new.on, new.project) == (False, True, Project.objects.get())


@pytest.mark.parametrize(("status", "reason"), [(404, "not found"), (451, "not available for legal reasons")])
def test_a_named_one_that_is_no_more_is_gone(serve, status, reason):
    server = serve(world(repo()))
    row = named()
    collected()
    server.faults.script("/repos/octo/tool1", Reply({"message": "x"}, status))
    collected(DAY + timedelta(days=1))
    row.refresh_from_db()
    assert (Project.objects.get().gone_reason, row.reason) == (reason, reason)


def test_an_empty_repository_is_kept_without_commits(serve):
    serve(world(repo(commits=[], pushed_at=TODAY)))
    named()
    collected()
    assert (Project.objects.count(), ProjectCommit.objects.count()) == (1, 0)


def test_commits_that_cannot_be_had_stop_no_others(serve):
    server = serve(world(with_commits(1), with_commits(2)))
    first, second = named("octo/tool1"), named("octo/tool2")
    server.faults.script("/repos/octo/tool1/commits", Reply({"message": "no"}, 403), times=None)
    collected()
    first.refresh_from_db()
    second.refresh_from_db()
    assert "403" in first.reason
    assert second.commits_for is not None


def test_the_weeks_of_a_named_one_are_kept(serve):
    server = serve(world(with_commits()))
    named()
    server.faults.script("/repos/octo/tool1/stats/participation", Reply({"all": list(range(52)), "owner": []}))
    collected()
    assert ProjectActivity.objects.get().weekly == list(range(52))


# Without a token, with limits, with the wrong one


def test_without_a_token_the_same_is_found_by_rest(serve):
    serve(world(*(repo(number) for number in range(1, 6))), token="")
    want()
    collected()
    assert {each.readme for each in Project.objects.all()} == {"Hello"}
    assert {each.detailed_for for each in Project.objects.all()} != {None}


def test_without_a_token_what_is_as_it_was_costs_nothing(serve):
    github = world(repo())
    server = serve(github, token="")
    want()
    collected()
    github.push("octo/tool1", commit(1))
    asked = len(server.asked)
    collected(DAY + timedelta(days=1))
    assert [bool(each.headers.get("if-none-match")) for each in server.asked[asked:]] == [False, True, True]
    assert Project.objects.get().languages == {"Python": 9}


def test_a_limit_makes_the_run_wait(serve):
    github = world(repo())
    server = serve(github)
    want()
    github.tire(retry_after=3_000)
    run = runs.run(RECOMMENDATIONS, Scope(DAY, "github"))
    assert (run.state, run.attempts, len(server.asked)) == (Run.State.WAITING, 0, 1)
    assert run.next_attempt_at is not None


def test_a_refused_token_stops_the_source_and_is_not_told(serve):
    serve(world(repo()), token="secret-of-ours")
    want()
    with pytest.raises(StageError) as error:
        collected()
    assert "secret-of-ours" not in str(error.value)
    assert not Fetch.objects.filter(reason__contains="secret-of-ours").exists()


def test_limits_met_between_details_lose_nothing(serve):
    github = world(*synthetic(60))
    serve(github)
    want(language="")
    list(collecting.collect(DAY))
    github.tire(retry_after=3_000)
    with pytest.raises(Later):
        list(detailing.details())
    Upstream.objects.update(quiet_until=None)
    github.quiet.windows.clear()
    list(detailing.details())
    assert not detailing.to_detail().exists()


# What is asked


def test_queries_that_are_off_are_not_asked(serve):
    want(on=False)
    named(on=False)
    assert [query for query in collecting.queries(DAY) if not query.startswith(collecting.LOOKED_UP)] == []


def test_the_seed_is_sown_once():
    assert seeding.seed_queries() == 6
    RepositoryQuery.objects.filter(language="go").delete()
    assert seeding.seed_queries() == 0
    assert RepositoryQuery.objects.count() == 5


def test_a_repository_that_answers_to_an_older_node_is_told_of_once(serve):
    project = Project.objects.create(
        full_name="octo/tool1", github_id=1, node_id="MDEwOlJlcG9zaXRvcnkx", pushed_at=TODAY
    )
    told = Repository("octo/tool1", 1, "R_kgDO00000001", readme="Hello", pushed_at=TODAY)
    detailing.keep_details([Details(project.node_id, told)])
    assert not detailing.to_detail().exists()
    assert ProjectActivity.objects.get().project == project
