"""Projects, what they are placed under, and their vectors."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models import Count, Exists, F, OuterRef, Q, Value
from django.db.models.functions import MD5, Cast, Concat, Lower, Now
from django.urls import reverse
from pgvector.django import VectorField

from engine.models import Embedding, EmbeddingModel
from recommendations.models.taxonomy import Category, TechStack

# What says something about meaning. A changed star count is none of it, so it never places or embeds anew.
BREAK = Value("\x1f")
FACTS = MD5(
    Concat(
        F("full_name"), BREAK, F("description"), BREAK, F("language"), BREAK, F("readme"), BREAK,
        Cast(models.Func(F("topics"), Value(0), function="hash_array_extended"), models.TextField()), BREAK,
        Cast(F("languages"), models.TextField()),
        output_field=models.TextField(),
    )
)  # fmt: skip

# Topics by which a project says that it looks for newcomers.
NEWCOMERS = (
    "beginner-friendly", "beginners-friendly", "contributions-welcome", "first-contribution", "first-contributions",
    "first-timers", "first-timers-only", "first-timers-friendly", "good-first-contribution", "good-first-issue",
    "good-first-issues", "good-first-pr", "goodfirstissue", "hacktoberfest", "hacktoberfest-accepted", "help-wanted",
    "looking-for-contributors", "newcomers", "open-for-contribution", "open-for-contributions", "up-for-grabs",
)  # fmt: skip


def words(text: models.expressions.Combinable) -> models.Func:
    """A name, or a list of topics, with blanks between its words."""
    return models.Func(text, Value("/-_."), Value("    "), function="translate", output_field=models.TextField())


def keywords() -> models.Expression:
    """What the keyword search looks in; the name weighs most, the README's beginning least."""
    topics = words(models.Func(F("topics"), function="ost_words", output_field=models.TextField()))
    return (
        SearchVector(words(F("full_name")), weight="A", config="english")
        + SearchVector(topics, weight="B", config="english")
        + SearchVector(F("language"), weight="B", config="english")
        + SearchVector(F("description"), weight="B", config="english")
        + SearchVector(models.functions.Left(F("readme"), 2000), weight="D", config="english")
    )


class ProjectQuerySet(models.QuerySet["Project"]):
    def offered(self) -> ProjectQuerySet:
        """What is still kept by its owners: neither archived nor disabled, nor gone."""
        return self.filter(is_archived=False, is_disabled=False, gone_at=None)

    def named(self, owner: str, name: str) -> ProjectQuerySet:
        """The one project of that name, in any case."""
        return self.alias(lower=Lower("full_name")).filter(lower=f"{owner}/{name}".lower())

    def lean(self) -> ProjectQuerySet:
        """Without what no list shows: a README is long."""
        return self.defer("readme", "search")

    def to_enrich(self, taxonomy_version: str) -> ProjectQuerySet:
        """Projects whose facts or whose taxonomy are not those they were last placed with."""
        return self.exclude(enriched_facts=F("facts_hash"), enriched_taxonomy=taxonomy_version)

    def figures(self) -> dict[str, int]:
        """How many they are, and how many of them lack what the score is made from."""
        category, stack = (
            Exists(links.objects.filter(project=OuterRef("pk"), applies=True))
            for links in (ProjectCategory, ProjectTechStack)
        )
        return self.aggregate(
            projects=Count("pk"),
            without_description=Count("pk", filter=Q(description="")),
            without_language=Count("pk", filter=Q(language="")),
            without_topics=Count("pk", filter=Q(topics=[])),
            without_readme=Count("pk", filter=Q(readme="")),
            without_stars=Count("pk", filter=Q(stars=None)),
            without_category=Count("pk", filter=~category),
            without_stack=Count("pk", filter=~stack),
        )


class Project(models.Model):
    """A repository. Unknown counts and dates are null, never 0."""

    github_id = models.BigIntegerField(null=True, blank=True, unique=True)
    full_name = models.CharField(max_length=150)
    description = models.TextField(blank=True, default="")
    language = models.CharField(max_length=60, blank=True, default="")
    languages = models.JSONField(default=dict, blank=True, help_text="name -> bytes; 0 when unknown")
    topics = ArrayField(models.TextField(), default=list, blank=True)
    readme = models.TextField(blank=True, default="")
    stars = models.PositiveIntegerField(null=True, blank=True)
    forks = models.PositiveIntegerField(null=True, blank=True)
    watchers = models.PositiveIntegerField(null=True, blank=True)
    open_issues = models.PositiveIntegerField(null=True, blank=True)
    license = models.CharField(max_length=100, blank=True, default="")
    homepage = models.TextField(blank=True, default="")
    is_fork = models.BooleanField(default=False)
    is_archived = models.BooleanField(default=False)
    is_disabled = models.BooleanField(default=False)
    created_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(null=True, blank=True)
    pushed_at = models.DateTimeField(null=True, blank=True)
    first_seen_at = models.DateTimeField(db_default=Now())
    node_id = models.CharField(
        max_length=100, blank=True, default="", db_default="", help_text="what GitHub's GraphQL knows it by"
    )
    gone_at = models.DateTimeField(null=True, blank=True, help_text="when it was found to be there no more")
    gone_reason = models.CharField(max_length=200, blank=True, default="", db_default="")
    detailed_for = models.DateTimeField(null=True, blank=True, help_text="the push that its details are of")
    details_after = models.DateTimeField(null=True, blank=True, help_text="details are not asked for before then")
    facts_hash = models.GeneratedField(expression=FACTS, output_field=models.CharField(max_length=32), db_persist=True)
    search = models.GeneratedField(expression=keywords(), output_field=SearchVectorField(), db_persist=True)
    asks_newcomers = models.GeneratedField(
        expression=models.ExpressionWrapper(Q(topics__overlap=list(NEWCOMERS)), output_field=models.BooleanField()),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    enriched_facts = models.CharField(max_length=32, blank=True, default="")
    enriched_taxonomy = models.CharField(max_length=64, blank=True, default="")
    placed_by = models.CharField(
        max_length=64, blank=True, default="", help_text="digest of the vectors it was last compared with"
    )

    objects = ProjectQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(Lower("full_name"), name="project_full_name_once")]
        indexes = [
            GinIndex(fields=["topics"], name="project_topics"),
            GinIndex(fields=["search"], name="project_search"),
            models.Index(fields=["-stars"], name="project_stars"),
            models.Index(fields=["-created_at"], name="project_created"),
            models.Index(fields=["-pushed_at"], name="project_pushed"),
        ]

    def __str__(self) -> str:
        return self.full_name

    @property
    def owner(self) -> str:
        return self.full_name.partition("/")[0]

    @property
    def name(self) -> str:
        return self.full_name.partition("/")[2]

    @property
    def url(self) -> str:
        """Where it lives. Built from its name, which has been checked; a homepage is somebody's text."""
        return f"https://github.com/{self.full_name}"

    def get_absolute_url(self) -> str:
        return reverse("project", args=[self.owner, self.name])


class Link(models.Model):
    """That something belongs under a term. A curator's word outlives every run: also the word "no" (applies=False)."""

    class Source(models.TextChoices):
        AUTO = "auto"
        CURATED = "curated"

    source = models.CharField(max_length=10, choices=Source.choices, default=Source.AUTO)
    confidence = models.FloatField(default=1.0)
    applies = models.BooleanField(default=True)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(condition=Q(confidence__range=(0, 1)), name="%(class)s_confidence"),
        ]


class ProjectCategory(Link):
    """by_vector: no word placed the project, its nearest category by meaning did."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="category_links", db_index=False)
    category = models.ForeignKey(Category, on_delete=models.CASCADE, related_name="project_links")
    by_vector = models.BooleanField(default=False)

    class Meta:
        verbose_name = "category link"
        constraints = [
            *Link.Meta.constraints,
            models.UniqueConstraint(fields=["project", "category"], name="project_category_once"),
        ]

    def __str__(self) -> str:
        return f"{self.project} in {self.category}"


class ProjectTechStack(Link):
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="stack_links", db_index=False)
    stack = models.ForeignKey(TechStack, on_delete=models.CASCADE, related_name="project_links")

    class Meta:
        verbose_name = "stack link"
        constraints = [
            *Link.Meta.constraints,
            models.UniqueConstraint(fields=["project", "stack"], name="project_stack_once"),
        ]

    def __str__(self) -> str:
        return f"{self.project} with {self.stack}"


class ProjectEmbedding(Embedding):
    subject_name = "projects"
    subject = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="embeddings", db_index=False)

    class Meta(Embedding.Meta):
        pass


class HybridVector(models.Model):
    """The hybrid vector of OST Data Engine [meaning, categories, stacks, popularity], each block of length 0 or 1.

    Weights belong to the query, so a change of them rewrites nothing here. slots: the digest of which id
    stands at which place.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="hybrid_vectors", db_index=False)
    model = models.ForeignKey(EmbeddingModel, on_delete=models.CASCADE, related_name="+")
    slots = models.CharField(max_length=64)
    vector = VectorField()
    vector_hash = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "model"], name="hybrid_vector_once")]

    def __str__(self) -> str:
        return f"hybrid vector of {self.project}"
