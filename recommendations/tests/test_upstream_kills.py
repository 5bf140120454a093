"""A process that collects repositories and is killed around a request: nothing is lost, little comes twice."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from engine import runs
from engine.models import Run, Source
from engine.pipeline import Scope
from engine.testing.github import Commit, GitHub, Repo
from engine.testing.serving import Clock, Server
from engine.tests.fetch_kills import FASTER, Killer, commanded, forked, instead_of_all
from recommendations.models import NamedRepository, Project, ProjectCommit, RepositoryQuery
from recommendations.pipeline import RECOMMENDATIONS

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime.now(UTC).replace(microsecond=0)
COMMITS = [Commit(f"{number:040x}", NOW - timedelta(hours=number), files=[("a.py", 1, 1)]) for number in range(3)]
# Requests: a search, one by name, a list of commits, three of them, the weeks, two of details; and, as projects are
# known by then, one that looks some of them up.
UNDISTURBED = 10


def test_repositories_commits_and_details_survive_kills_at_each_of_their_requests():
    Source.objects.create(pipeline="recommendations", name="github", on=True)
    RepositoryQuery.objects.all().delete()
    RepositoryQuery.objects.create(language="Python", stars_from=10, pushed_within_days=400)
    NamedRepository.objects.create(full_name="octo/tool1", commits=3)
    facts = {"language": "Python", "readme": "Hello", "pushed_at": NOW}
    made = [Repo(number, f"octo/tool{number}", stars=100 + number, **facts) for number in range(1, 31)]
    made[0].commits = COMMITS
    collect = partial(runs.run, RECOMMENDATIONS, Scope(source="github"))
    with Server(GitHub(Clock(FASTER), made)) as server, instead_of_all(server):
        fork = partial(forked, collect)
        command = partial(commanded, server, "recommendations", "--source", "github")
        kills = [(command, 2, None), (fork, 1, 0.0), (fork, 3, None), (fork, 2, 0.0), (fork, 4, 0.02)]
        for start, number, after in kills:
            assert Killer(server, number, after).killed(start)
        assert collect().state == Run.State.DONE
        assert len(server.asked) <= UNDISTURBED + len(kills)  # what was under way
    assert {project.readme for project in Project.objects.all()} == {"Hello"}
    assert (Project.objects.count(), ProjectCommit.objects.count()) == (30, 3)
