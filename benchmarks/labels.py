"""Extractive labels of open sets, as a table to read by eye.

`python -m benchmarks.labels FOLDER [STRANGERS] > labels.md`. A cluster is a gold group of a set (for daily_mix: of a
day). STRANGERS, 0 unless given, is the share of posts of other groups that is added to each, as a clustering would.
The table holds what people posted: it stays out of the repository.
"""

import gzip
import json
import os
import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.cleaning import clean
from engine.embeddings.local import PACKAGED, LocalEmbedder
from engine.exemplars import central, key_phrases, snippet
from engine.vectors import Matrix, unit
from issues.extracting import extract
from issues.labels import Exemplar, IssueLabel

SETS = {  # the keys that make a group; the first is the run, whose clusters are told from each other
    "daily_mix": ("day", "gold_topic"),
    "github_nlbse": ("set", "gold", "gold2"),
    "stackoverflow_so20": ("set", "gold"),
    "banking77": ("set", "gold"),
    "clinc150": ("set", "gold"),
    "reddit": ("set", "gold"),
}
LARGEST = 40  # posts of a group: enough to be a cluster, few enough for minutes
SIBLINGS = 3
SHOWN = 5  # titles beside the label, drawn by chance


@dataclass(frozen=True)
class Post:
    source: str
    title: str
    text: str


Groups = dict[tuple[str, ...], list[Post]]


def groups(folder: Path, name: str) -> Groups:
    """The posts of a set by their gold group, at most LARGEST of each; posts without gold left out."""
    found: defaultdict[tuple[str, ...], list[Post]] = defaultdict(list)
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            key = tuple(row[each] for each in SETS[name])
            if all(key) and len(found[key]) < LARGEST:
                found[key].append(Post(row["source"], row["title"], clean(row["source"], row["body"] or "")))
    return found


def with_strangers(found: Groups, share: float, rng: random.Random) -> Groups:
    everything = [post for posts in found.values() for post in posts]
    return {key: [*posts, *rng.sample(everything, int(share * len(posts)))] for key, posts in found.items()}


def vectors(posts: Sequence[Post]) -> Matrix:
    return LocalEmbedder(PACKAGED, 384).embed([f"{post.title}\n{post.text}" for post in posts])


def labels(found: Groups) -> Iterator[tuple[tuple[str, ...], IssueLabel]]:
    """A label for each group of one run, the siblings' titles being those given before."""
    posts = [post for each in found.values() for post in each]
    ends = np.cumsum([len(each) for each in found.values()])
    rows = dict(zip(found, np.split(vectors(posts), ends[:-1]), strict=True))
    texts = {key: [f"{post.title}\n{post.text}" for post in each] for key, each in found.items()}
    phrases = dict(zip(found, key_phrases(list(texts.values())), strict=True))
    middles = unit(np.array([rows[key].mean(axis=0) for key in found]))
    given: dict[tuple[str, ...], str] = {}
    for key, nearest in zip(found, np.argsort(-(middles @ middles.T), axis=1), strict=True):
        near = [list(found)[place] for place in nearest[1 : SIBLINGS + 1]]
        siblings = [given[each] for each in near if each in given]
        label = extract(exemplars(found[key], rows[key]), texts[key], phrases[key], siblings)
        given[key] = label.title
        yield key, label


def exemplars(posts: Sequence[Post], rows: Matrix) -> list[Exemplar]:
    picked = [posts[place] for place in central(rows, [post.title for post in posts])]
    return [Exemplar(place, post.source, post.title, snippet(post.text)) for place, post in enumerate(picked, 1)]


def runs(found: Groups) -> Iterator[Groups]:
    for first in dict.fromkeys(key[0] for key in found):
        yield {key: posts for key, posts in found.items() if key[0] == first}


def row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def table(folder: Path, strangers: float) -> Iterator[str]:
    """Lines of Markdown."""
    rng = random.Random(0)  # the same posts each time
    yield row(["group", "posts", "title", "category", "impact", "would pay", "description", "claims", "some posts"])
    yield row(["---"] * 9)
    for name in SETS:
        for run in runs(with_strangers(groups(folder, name), strangers, rng)):
            for key, made in labels(run):
                some = rng.sample(run[key], min(SHOWN, len(run[key])))
                yield row([" ".join(key), str(len(run[key])), *cells(made), " · ".join(post.title for post in some)])


def cells(made: IssueLabel) -> list[str]:
    claims = "; ".join(f"{claim.field} {claim.item}: {claim.words}" for claim in made.claims)
    return [made.title, made.category, made.impact, "yes" if made.would_pay else "", made.description, claims]


def main(arguments: Sequence[str]) -> int:
    if not arguments or not Path(arguments[0], "daily_mix.jsonl.gz").exists():
        sys.stderr.write("labels: name the folder of the open sets, which holds daily_mix.jsonl.gz\n")
        return 2
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ostsite.settings")
    os.environ.setdefault("SECRET_KEY", "only-for-benchmarks-" + "0" * 40)
    for line in table(Path(arguments[0]), float(arguments[1]) if len(arguments) > 1 else 0.0):
        sys.stdout.write(line + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
