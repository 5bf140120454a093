"""The taxonomy that ships with the project, and the first questions to GitHub, as rows."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from django.db import transaction

from recommendations.models import Category, CategoryEmbedding, RepositoryQuery, TechStack

FIXTURE = Path(__file__).parent / "fixtures" / "taxonomy.json"

LANGUAGES = ("go", "java", "javascript", "python", "rust", "typescript")


def seed_queries() -> int:
    """What to ask GitHub for, where nobody has said anything yet; returns how many questions."""
    if RepositoryQuery.objects.exists():
        return 0
    return len(RepositoryQuery.objects.bulk_create(RepositoryQuery(language=name) for name in LANGUAGES))


def seed_taxonomy() -> Counter[str]:
    """Insert or update by name; `inserted`, `updated`, `unchanged`. Rows of other names are left alone."""
    content = json.loads(FIXTURE.read_text(encoding="utf-8"))
    with transaction.atomic():
        counts = Counter(inserted=0, updated=0, unchanged=0)
        for fields in content["categories"]:
            counts[seed(Category, fields)] += 1
        for fields in content["stacks"]:
            counts[seed(TechStack, fields)] += 1
        CategoryEmbedding.objects.want({category.pk: category_text(category) for category in Category.objects.all()})
    return counts


def seed(term: type[Category] | type[TechStack], fields: dict[str, Any]) -> str:
    found = term.objects.filter(name=fields["name"]).first()
    if found is None:
        term.objects.create(**fields)
        return "inserted"
    if all(getattr(found, name) == value for name, value in fields.items()):
        return "unchanged"
    for name, value in fields.items():
        setattr(found, name, value)
    found.save()
    return "updated"


def category_text(category: Category) -> str:
    """What a project without a fitting word is compared with."""
    return f"{category.name}. {category.description}"
