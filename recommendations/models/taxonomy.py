"""Categories and tech stacks, with the words that place a project under them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.db import models

from engine.models import Embedding
from recommendations.taxonomy import Entry, Taxonomy

if TYPE_CHECKING:
    from django.db.models.query import QuerySet


class Term(models.Model):
    """What categories and stacks share: a name, other names, and the rules that place a project."""

    name = models.CharField(max_length=80, unique=True)
    aliases = ArrayField(models.TextField(), default=list, blank=True)
    topics = ArrayField(models.TextField(), default=list, blank=True, help_text="GitHub topics")
    words = ArrayField(models.TextField(), default=list, blank=True, help_text="words or phrases in text")

    class Meta:
        abstract = True
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Category(Term):
    """A field that projects serve. Its description is what a project without a fitting word is compared with."""

    description = models.TextField(blank=True, default="")

    class Meta(Term.Meta):
        verbose_name_plural = "categories"


class TechStack(Term):
    """A language or a technology that projects are made with."""

    class Kind(models.TextChoices):
        LANGUAGE = "LANGUAGE"
        TECH = "TECH"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    languages = ArrayField(models.TextField(), default=list, blank=True, help_text="GitHub's languages")


class CategoryEmbedding(Embedding):
    subject_name = "categories"
    subject = models.ForeignKey(Category, on_delete=models.CASCADE, related_name="embeddings", db_index=False)

    class Meta(Embedding.Meta):
        pass


def load_taxonomy() -> Taxonomy:
    """The taxonomy as the tables hold it now."""
    return Taxonomy(entries(Category.objects.all()), entries(TechStack.objects.all()))


def entries(terms: QuerySet[Category] | QuerySet[TechStack]) -> list[Entry]:
    return [
        Entry(
            id=term.pk,
            name=term.name,
            aliases=tuple(term.aliases),
            languages=tuple(getattr(term, "languages", ())),
            topics=tuple(term.topics),
            words=tuple(term.words),
        )
        for term in terms
    ]
