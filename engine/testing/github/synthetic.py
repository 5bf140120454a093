"""A made-up GitHub of any size, the same for the same seed, with the gaps and odd values that the true one has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from engine.testing.github.shapes import digest
from engine.testing.github.world import LATELY, Comment, Commit, Issue, Repo

LANGUAGES = {
    "Python": 24, "TypeScript": 18, "JavaScript": 14, "Go": 12, "Rust": 10, "Java": 8, "C++": 6, "C": 4, "Shell": 3,
    "Jupyter Notebook": 3, "C#": 3, "Ruby": 2, "Kotlin": 2, "Zig": 1,
}  # fmt: skip
FIELDS = {
    "queue": ("jobs that wait for a worker", ["queue", "jobs", "scheduler"]),
    "chart": ("numbers drawn as charts", ["charts", "visualization", "dashboard"]),
    "parser": ("text turned into trees", ["parser", "grammar", "compiler"]),
    "mail": ("mail that arrives", ["email", "smtp", "inbox"]),
    "vector": ("search by meaning", ["embeddings", "vector-search", "machine-learning"]),
    "router": ("requests brought to their handlers", ["http", "router", "web"]),
    "backup": ("copies that can be restored", ["backup", "storage", "encryption"]),
    "sensor": ("readings of small devices", ["iot", "sensors", "embedded"]),
    "ledger": ("books that balance", ["accounting", "finance", "ledger"]),
    "lint": ("faults found before review", ["linter", "static-analysis", "developer-tools"]),
    "map": ("places and the ways between them", ["maps", "gis", "geospatial"]),
    "model": ("training runs that can be repeated", ["deep-learning", "training", "pytorch"]),
}
QUALITIES = (
    "tiny",
    "steady",
    "plain",
    "quick",
    "quiet",
    "bright",
    "sturdy",
    "open",
    "small",
    "early",
    "north",
    "amber",
)
LICENSES = ("MIT", "MIT", "Apache-2.0", "Apache-2.0", "BSD-3-Clause", "GPL-3.0", "MPL-2.0", "NOASSERTION", None)
ODD = "Keeps a\x00 list of \u202estrange\u202c names\u200b, na\u0308ive ones \U0001f9ed and <b>bold</b> ones\x1b[31m"
TROUBLES = (
    "Worker keeps crashing when the disk is full",
    "Export is too slow for large tables",
    "Please add a dark theme to the settings page",
    "Documentation of the retry option is missing",
    "Upgrade broke the login behind a proxy",
    "Wrong total after a refund of two items",
)
LABELS: Sequence[list[str]] = (
    ["good first issue"],
    ["help wanted"],
    ["bug"],
    ["good-first-issue", "documentation"],
    ["enhancement"],
    [],
)

EMPTY: dict[str, object] = {"commits": [], "pushed_at": None, "readme": None, "languages": {}, "language": None}
GAPS: Sequence[tuple[int, int, dict[str, object]]] = (  # of so many repositories this one has these facts
    (1_000_000, 7, {"description": ODD}),
    (41, 19, {"language": None, "languages": {}}),
    (43, 23, {"description": None}),
    (47, 29, {"readme": None}),
    (37, 31, {"archived": True}),
    (59, 33, {"fork": True}),
    (61, 35, {"readme_path": "README.rst"}),
    (67, 39, {"topics": []}),
    (101, 51, EMPTY),
)


def synthetic(n: int, seed: int = 0, today: datetime = LATELY) -> list[Repo]:
    """So many repositories, with 10 to 100,000 stars. A few are archived or forks, or lack what others tell."""
    random = Random(f"repositories {seed}")  # noqa: S311  sample data
    return [mended(made(random, at, today), at) for at in range(n)]


def made(random: Random, at: int, today: datetime) -> Repo:
    """An ordinary repository."""
    kind = random.choice(list(FIELDS))
    about, topics = FIELDS[kind]
    quality = random.choice(QUALITIES)
    [language] = random.choices(list(LANGUAGES), list(LANGUAGES.values()))
    stars = int(10 ** random.uniform(1, 5))
    pushed = today - timedelta(minutes=random.randint(1, 400_000))
    name = f"sample-org-{at % 97}/{quality}-{kind}-{at}"
    description = f"A {quality} {kind} in {language}: {about}."
    return Repo(
        id=1_000_000 + at,
        full_name=name,
        description=description,
        language=language,
        languages={language: random.randint(20_000, 900_000), "Makefile": random.randint(100, 3_000)},
        topics=[*random.sample(topics, random.randint(1, 3)), language.lower().replace(" ", "-").replace("+", "p")],
        readme=readme(random, name, description),
        stars=stars,
        forks=stars // random.randint(4, 30),
        watchers=stars // random.randint(20, 90),
        open_issues=random.randint(20, 300),
        license=random.choice(LICENSES),
        homepage=random.choice((None, "", f"https://{quality}-{kind}.example")),
        created_at=pushed - timedelta(days=random.randint(30, 3_000)),
        updated_at=pushed + timedelta(minutes=random.randint(0, 60)),
        pushed_at=pushed,
        commits=commits(random, name, pushed),
    )


def mended(repo: Repo, at: int) -> Repo:
    """With the gaps that fall on its place."""
    for every, first, facts in GAPS:
        if at % every == first:
            for name, value in facts.items():
                setattr(repo, name, value)
    if at % 71 == 45 and repo.readme:
        repo.readme *= 60
    return repo


def readme(random: Random, name: str, description: str) -> str:
    topics = random.sample(list(FIELDS.values()), 3)
    parts = [f"## About {of}\n\nIt takes care of {about}, one step at a time." for about, (of, *_) in topics]
    start = f"# {name.partition('/')[2]}\n\n{description}\n\n```\ninstall {name}\n```"
    return "\n\n".join([start, *parts])


def commits(random: Random, name: str, newest: datetime) -> list[Commit]:
    """Three to eight, newest first."""
    found = []
    for at in range(random.randint(3, 8)):
        login = random.choice(("sample-dev-1", "sample-dev-2", "sample-dev-3", None))
        files = [(f"src/part_{random.randint(1, 9)}.txt", random.randint(1, 80), random.randint(0, 40))]
        email = f"{login or 'nobody'}@example.org"
        found.append(Commit(digest(name, at), newest, login, email, f"Change {at}", files))
        newest -= timedelta(minutes=random.randint(30, 20_000))
    return found


def synthetic_issues(
    repositories: Sequence[Repo], each: int = 3, seed: int = 0, today: datetime = LATELY, days: int = 3
) -> list[Issue]:
    """So many issues of each repository, opened in the days before `today`; every seventh is a pull request."""
    random = Random(f"issues {seed}")  # noqa: S311  sample data
    return [issue(random, repo, number, today, days) for repo in repositories for number in range(1, each + 1)]


def issue(random: Random, repo: Repo, number: int, today: datetime, days: int) -> Issue:
    opened = today - timedelta(seconds=random.randint(1, days * 86_400))
    claimed = random.random() < 0.2
    said = "I would like to work on this." if claimed else "The same happens here."
    comments = [Comment("sample-dev-4", "NONE", opened + timedelta(minutes=20), said)]
    trouble = random.choice(TROUBLES)
    return Issue(
        repo=repo.full_name,
        number=number,
        title=f"{trouble} ({repo.name})",
        body=random.choice((None, f"{trouble}. It began with version {number}.{random.randint(0, 20)}.")),
        labels=list(random.choice(LABELS)),
        state=random.choice(("open", "open", "open", "closed")),
        assignees=["sample-dev-1"] if random.random() < 0.2 else [],
        comments=comments if claimed or random.random() < 0.5 else [],
        reactions=random.randint(0, 30),
        author=random.choice(("sample-dev-5", "sample-dev-6", None)),
        author_association=random.choice(("NONE", "CONTRIBUTOR", "MEMBER")),
        created_at=opened,
        updated_at=opened + timedelta(hours=1),
        is_pull_request=random.random() < 1 / 7,
        linked_pulls=random.choice((0, 0, 0, 1)),
    )
