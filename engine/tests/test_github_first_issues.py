"""What GitHub answers of first issues, and what becomes of it; answers of another shape are a reason, no error."""

import pytest

from engine.collectors.github_first_issues import AT_ONCE, Failed, FirstIssues, Gone, Stands, issue_of
from engine.collectors.github_nodes import halved
from engine.collectors.github_stars import NoList, Stars, starred
from engine.http import Client, Limited, Refused, Unreadable
from engine.testing.github import GitHub, Issue, Repo
from engine.testing.serving import Reply, Server

NODE = {
    "id": "I_1",
    "number": 7,
    "title": "Say what failed",
    "state": "OPEN",
    "locked": False,
    "body": " Do it so. ",
    "createdAt": "2026-05-01T08:00:00Z",
    "updatedAt": "2026-05-02T08:00:00Z",
    "closedAt": None,
    "authorAssociation": "MEMBER",
    "labels": {"nodes": [{"name": "easy"}, None]},
    "assignees": {"totalCount": 1},
    "pulls": {"totalCount": 2},
    "comments": {
        "totalCount": 3,
        "nodes": [
            {"createdAt": "2026-05-02T08:00:00Z", "body": "Mine", "author": {"login": "helper", "kind": "Bot"}},
            {"createdAt": "2026-05-02T08:00:00Z", "body": "x" * 9000, "author": None},
            None,
        ],
    },
}


def test_an_issue_is_read():
    found = issue_of(NODE)
    assert (found.number, found.labels, found.open, found.locked) == (7, ("easy",), True, False)
    assert (found.assignees, found.pulls, found.comments, found.body) == (1, 2, 3, 9)


def test_who_wrote_a_comment_is_told_a_program_as_one():
    bot, gone = issue_of(NODE).talk
    assert (bot.author, bot.bot, gone.author, gone.bot, len(gone.text)) == ("helper", True, "", False, 2000)


@pytest.mark.parametrize(
    "changed",
    [
        {"number": "7"}, {"number": None}, {"title": None}, {"createdAt": "yesterday"}, {"assignees": None},
        {"comments": []}, {"comments": {"totalCount": 1, "nodes": [{"createdAt": 1, "body": "x"}]}}, {"locked": "no"},
    ],
)  # fmt: skip
def test_what_is_no_issue_is_a_reason(changed):
    assert isinstance(issue_of({**NODE, **changed}), str)


@pytest.mark.parametrize("value", [None, {}, [], "x", 7])
def test_nor_is_anything_else(value):
    assert isinstance(issue_of(value), str)


@pytest.fixture
def github():
    world = GitHub(repositories=[Repo(id=1, full_name="octo/tool")])
    world.open_issue(Issue("octo/tool", 1, "Mend it", labels=["easy"]))
    with Server(world) as server:
        world.server = server
        yield world


def asking(world):
    client = Client(world.server.url, tries=1, headers={"User-Agent": "tests"})
    client.credentials = {"Authorization": "Bearer sample-token"}
    return client


def test_what_is_there_no_more_is_told_as_gone(github):
    ids = [github.issue("octo/tool", 1).node_id, "I_none"]
    there, gone = FirstIssues(asking(github), ()).again(ids)
    assert (type(there), type(gone), gone.node_id) == (Stands, Gone, "I_none")


def test_other_nodes_than_were_asked_for_are_no_answer(github):
    github.server.faults.script("/graphql", Reply({"data": {"nodes": []}}))
    with pytest.raises(Unreadable):
        FirstIssues(asking(github), ()).again(["I_1"])


@pytest.mark.parametrize(
    "node", [{}, {"id": "x"}, 7, "x", {"issues": None}, {"issues": {"totalCount": 1, "nodes": None}}]
)
def test_what_is_no_repository_is_told_as_failed(github, node):
    github.server.faults.script("/graphql", Reply({"data": {"nodes": [node]}}))
    assert isinstance(FirstIssues(asking(github), ["easy"]).of(["R_1"])[0], Failed)


def test_an_issue_that_cannot_be_read_makes_the_list_no_whole_one(github):
    issues = {"totalCount": 2, "nodes": [NODE, {"number": 8}]}
    github.server.faults.script("/graphql", Reply({"data": {"nodes": [{"issues": issues}]}}))
    (found,) = FirstIssues(asking(github), ["easy"]).of(["R_1"])
    assert (len(found.issues), found.skipped, found.whole) == (1, 1, False)


def test_halves_end_at_the_one_that_fails():
    asked = []

    def ask(ids):
        asked.append(len(ids))
        if "bad" in ids:
            raise Unreadable("too much")
        return [Stands(pk, None) for pk in ids]

    found = [each for answer in halved(["a", "b", "bad", "d"], ask) for each in answer]
    assert [isinstance(each, Failed) for each in found] == [False, False, True, False]
    assert asked == [4, 2, 2, 1, 1]


@pytest.mark.parametrize("error", [Refused("401", everything=True), Limited("limit", 403, None)])
def test_what_halves_do_not_help_rises(error):
    def ask(ids):
        raise error

    with pytest.raises(type(error)):
        list(halved(["a", "b"], ask))


def test_so_many_at_once_stay_below_what_github_allows():
    assert AT_ONCE <= 100


# Stars


def test_a_page_tells_whether_another_follows(github):
    for number in range(2, 103):
        github.add(Repo(id=number, full_name=f"octo/tool{number}"))
        github.star("ada", f"octo/tool{number}")
    first, second = (starred(asking(github), "ada", page) for page in (1, 2))
    assert (first.count, first.more, first.last, second.count, second.more) == (100, True, 2, 1, False)


def test_a_page_that_did_not_change_says_so(github):
    github.star("ada", "octo/tool")
    known = starred(asking(github), "ada", 1)
    assert starred(asking(github), "ada", 1, known.etag) == Stars(None, etag=known.etag)


@pytest.mark.parametrize("status", [404, 410, 451, 301])
def test_a_name_that_leads_nowhere_has_no_list(github, status):
    github.server.faults.script("/users", Reply({}, status, {"Location": "https://elsewhere.example/"}))
    assert isinstance(starred(asking(github), "ada", 1), NoList)


@pytest.mark.parametrize("login", ["../repos", "a/b", "", "a?b", "-a"])
def test_nothing_is_asked_of_what_is_no_name(github, login):
    with pytest.raises(ValueError, match="no name"):
        starred(asking(github), login, 1)
    assert github.server.asked == []
