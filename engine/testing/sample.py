"""Worlds made of the sample files, each post in the shape of its source.

What the files do not tell (tags, labels, commits) is made up of what they tell, always the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zlib import crc32

from engine.testing import hackernews, reddit, stackexchange
from engine.testing.github.world import Comment, Commit, Issue, Repo

SAMPLE = Path(__file__).resolve().parents[2] / "sample"
LATELY = datetime(2026, 8, 30, tzinfo=UTC)
Line = dict[str, Any]

TAGS = ("android", "css", "csv", "django", "docker", "excel", "html", "javascript", "json", "linux", "nginx", "pdf",
        "postgresql", "python", "rust", "swift", "typescript")  # fmt: skip
NO_TAG = "automation"
LABELS = {
    "bug": re.compile(r"(?i)\b(error|fail|crash|broken|wrong|hang|lost|timeout|times out|killed|ignores|does not)"),
    "question": re.compile(r"(?i)\bhow (do|to|can)\b|\?$"),
    "enhancement": re.compile(r""),
}
TASKS = (
    "Explain in the guide how {topic} is set up",
    "Add an example for {topic}",
    "Say in the error what was expected",
    "Test the behaviour on an empty input",
    "Support dark mode on the page about {topic}",
)
CLAIM = "I would like to work on this."


def lines(name: str) -> Iterator[Line]:
    with open(SAMPLE / name, encoding="utf-8") as file:
        yield from map(json.loads, file)


def posts(source: str) -> Iterator[Line]:
    return (line for line in lines("items.jsonl") if line["source"] == source)


def chosen(seed: str, among: int) -> int:
    """A number below `among`, always the same for the same text."""
    return crc32(seed.encode()) % among


def epoch(line: Line) -> float:
    return moment(line["created_at"]).timestamp()


def moment(text: str) -> datetime:
    """A time of day, or the beginning of a year or of a month."""
    if len(text) > len("2026-01-01"):
        return datetime.fromisoformat(text)
    # Three numbers, which mypy cannot count.
    return datetime(*[int(part) for part in (text + "-01-01").split("-")[:3]], tzinfo=UTC)  # type: ignore[arg-type,misc]


def author(line: Line) -> str:
    return str(line.get("author") or f"reader_{chosen(line['url'], 1000)}")


# Posts


def questions() -> list[stackexchange.Question]:
    return [
        stackexchange.question(
            int(line["url"].split("/")[4]),
            line["title"],
            line["body"],
            created=epoch(line),
            tags=tags(line),
            owner=author(line),
            link=line["url"],
            score=line["vote_count"],
            answer_count=line["comment_count"],
        )
        for line in posts("stackoverflow")
    ]


def tags(line: Line) -> list[str]:
    words = set(re.findall(r"[a-z]+", f"{line['title']} {line['body']}".lower()))
    return [tag for tag in TAGS if tag in words] or [NO_TAG]


def reddit_posts() -> list[reddit.Post]:
    return [
        reddit.post(
            path[4],
            path[2],
            line["title"],
            line["body"],
            created=epoch(line),
            author=author(line),
            permalink="/".join(path),
            score=line["vote_count"],
            num_comments=line["comment_count"],
        )
        for line in posts("reddit")
        for path in [urlsplit(line["url"]).path.split("/")]
    ]


def stories() -> list[hackernews.Item]:
    return [
        hackernews.story(
            int(parse_qs(urlsplit(line["url"]).query)["id"][0]),
            line["title"],
            line["body"],
            created=epoch(line),
            by=author(line),
            score=line["vote_count"],
            descendants=line["comment_count"],
        )
        for line in posts("hackernews")
    ]


# GitHub


def repositories() -> list[Repo]:
    """The sample projects, and the small repositories that the sample posts are about."""
    named = [repository(line) for line in lines("projects.jsonl")]
    small = sorted({repository_of(line) for line in posts("github")})
    return named + [
        Repo(id=number_of(name), full_name=name, stars=chosen(name, 90), language="Python") for name in small
    ]


def number_of(full_name: str) -> int:
    return crc32(full_name.lower().encode())


def repository(line: Line) -> Repo:
    name, pushed = line["full_name"], moment(line["pushed_at"]) if "pushed_at" in line else LATELY
    facts = {key: line[key] for key in ("description", "language", "topics", "stars", "forks")}
    return Repo(
        id=number_of(name),
        full_name=name,
        **facts,
        languages={line["language"]: 100_000 + chosen(name, 900_000), "Shell": 1_200},
        readme=f"# {name}\n\n{line['description']}\n\nIt is about {', '.join(line['topics']) or line['language']}.\n",
        watchers=line["stars"] // 40,
        open_issues=line.get("open_issues"),
        license=line.get("license"),
        created_at=moment(line["created_at"]),
        pushed_at=pushed,
        updated_at=LATELY,
        commits=list(commits(name, pushed)),
    )


def commits(name: str, pushed: datetime) -> Iterator[Commit]:
    """Up to twenty, some days apart, by up to five people; the newest first."""
    days, people = 1 + chosen(name, 12), 1 + chosen(name, 5)
    for each in range(5 + chosen(name, 16)):
        login = f"{name.split('/')[0].lower()}-{each % people}"
        yield Commit(
            sha=f"{number_of(name):08x}{each:032x}",
            date=pushed - timedelta(days=each * days),
            login=login,
            email=f"{login}@example.org",
            message=f"Change {each}",
            files=[(f"src/part{each % 7}.txt", 3 + each, each)],
        )


def repository_of(line: Line) -> str:
    return "/".join(urlsplit(line["url"]).path.split("/")[1:3])


def issues() -> list[Issue]:
    """The sample posts, and tasks for newcomers that are made up."""
    return [issue(line) for line in posts("github")] + [
        task for line in lines("projects.jsonl") for task in tasks(line)
    ]


def issue(line: Line) -> Issue:
    text, begun = f"{line['title']}\n{line['body']}", moment(line["created_at"])
    label = next(name for name, words in LABELS.items() if words.search(text))
    said = [
        Comment(f"reader_{each}", "NONE", begun + timedelta(hours=each + 1), "The same here.")
        for each in range(line["comment_count"])
    ]
    return Issue(
        repo=repository_of(line),
        number=int(line["url"].rsplit("/", 1)[1]),
        title=line["title"],
        body=line["body"] or None,
        labels=[label],
        comments=said,
        reactions=line["vote_count"],
        author=author(line),
        created_at=begun,
    )


def tasks(line: Line) -> Iterator[Issue]:
    """Of every fourth project one to three, some of them taken by somebody."""
    name = line["full_name"]
    if chosen(name, 4):
        return
    for each in range(min(1 + chosen(name[::-1], 3), line.get("open_issues", 3))):
        seed = f"{name} {each}"
        begun = LATELY - timedelta(days=1 + chosen(seed, 60))
        claimed = chosen(seed, 5) == 0
        yield Issue(
            repo=name,
            number=900_000 + each,
            title=TASKS[chosen(seed, len(TASKS))].format(topic=(line["topics"] or [line["language"]])[0]),
            body=f"A small task for somebody new to {name}. The place is named in the guide for contributors.",
            labels=["good first issue", *(["help wanted"] if each else [])],
            assignees=["newcomer"] if chosen(seed, 7) == 1 else [],
            comments=[Comment("newcomer", "NONE", begun + timedelta(days=1), CLAIM)] if claimed else [],
            linked_pulls=int(chosen(seed, 9) == 1),
            author=f"{name.split('/')[0].lower()}-0",
            author_association="MEMBER",
            created_at=begun,
        )


def stars() -> dict[str, list[tuple[str, datetime]]]:
    """What the sample people starred. Their names there have hyphens, since GitHub allows no underscore."""
    found: dict[str, list[tuple[str, datetime]]] = {}
    for line in lines("interactions.jsonl"):
        if line["kind"] == "star":
            found.setdefault(line["username"].replace("_", "-"), []).append((line["full_name"], moment(line["at"])))
    return found
