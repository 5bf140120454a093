"""What was recommended, by which weights, and which set of it is served."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from engine.models import EmbeddingModel
from recommendations.models.project import Project
from recommendations.scoring import Formula


class WeightsManager(models.Manager["Weights"]):
    def current(self) -> Weights:
        """The newest version; the first is made from the settings."""
        found = self.order_by("-version").first()
        if found is None:
            found, _ = self.get_or_create(version=1, defaults=from_settings())
        return found


class Weights(models.Model):
    """One version of what counts, and how much. A version is never changed; a new one follows it."""

    class Scale(models.TextChoices):
        LINEAR = "linear"
        LOG = "log"

    version = models.PositiveIntegerField(unique=True)
    semantic = models.FloatField()
    category = models.FloatField()
    tech = models.FloatField()
    popularity = models.FloatField()
    popularity_threshold = models.PositiveIntegerField()
    popularity_scale = models.CharField(max_length=10, choices=Scale.choices, default=Scale.LINEAR)
    min_similarity = models.FloatField(help_text="the lowest score that is recommended")
    top_n = models.PositiveSmallIntegerField(help_text="how many are shown")
    variety = models.PositiveSmallIntegerField(
        default=0, help_text="at most so many projects of one owner among those shown; 0 = any"
    )
    reason = models.TextField(blank=True, default="", help_text="why it was made")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())

    objects = WeightsManager()

    class Meta:
        verbose_name_plural = "weights"
        constraints = [
            models.CheckConstraint(
                condition=Q(semantic__gte=0, category__gte=0, tech__gte=0, popularity__gte=0),
                name="weights_not_negative",
            ),
            models.CheckConstraint(condition=Q(semantic__gt=0) | Q(popularity__gt=0), name="weights_always_heard"),
            models.CheckConstraint(condition=Q(popularity_threshold__gt=0), name="weights_threshold"),
            models.CheckConstraint(condition=Q(min_similarity__range=(0, 1)), name="weights_min_similarity"),
            models.CheckConstraint(condition=Q(top_n__range=(1, 50)), name="weights_top_n"),
        ]

    def __str__(self) -> str:
        return f"weights {self.version}"

    @property
    def formula(self) -> Formula:
        """These weights as the pure functions take them."""
        return Formula(
            weights=(self.semantic, self.category, self.tech, self.popularity),
            threshold=self.popularity_threshold,
            log_scale=self.popularity_scale == self.Scale.LOG,
            min_similarity=self.min_similarity,
        )


def from_settings() -> dict[str, object]:
    """The fields of the first version."""
    return {
        "semantic": settings.RECOMMENDATION_SEMANTIC_WEIGHT,
        "category": settings.RECOMMENDATION_CATEGORY_WEIGHT,
        "tech": settings.RECOMMENDATION_TECH_WEIGHT,
        "popularity": settings.RECOMMENDATION_POPULARITY_WEIGHT,
        "popularity_threshold": settings.RECOMMENDATION_POPULARITY_THRESHOLD,
        "popularity_scale": Weights.Scale.LINEAR,
        "min_similarity": settings.RECOMMENDATION_MIN_SIMILARITY,
        "top_n": settings.RECOMMENDATION_TOP_N,
        "reason": "the settings at the first start",
    }


class GenerationQuerySet(models.QuerySet["Generation"]):
    def live(self) -> Generation | None:
        """The one that readers see, if any was ever published."""
        return self.filter(state=Generation.State.LIVE).select_related("weights", "model").first()

    def take_over(self, draft: Generation, fence: int) -> bool:
        """Make the draft that claim's alone to write; False when a later claim has it."""
        return bool(self.filter(pk=draft.pk, fence__lte=fence).update(fence=fence))

    def held(self, draft: Generation, fence: int) -> GenerationQuerySet:
        """The draft, while that claim has it."""
        return self.filter(pk=draft.pk, fence=fence, state=Generation.State.DRAFT)


class Generation(models.Model):
    """One whole set of recommendations. A draft is seen by nobody; one is live; the others are history.

    inputs: digest of all that it is made from. done_through: the last user whose rows are written, so that
    an interrupted draft goes on where it stopped; fence: the claim that may write the next.
    """

    class State(models.TextChoices):
        DRAFT = "draft"
        LIVE = "live"
        RETIRED = "retired"

    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    weights = models.ForeignKey(Weights, on_delete=models.PROTECT, related_name="generations")
    model = models.ForeignKey(EmbeddingModel, on_delete=models.PROTECT, related_name="+")
    taxonomy = models.CharField(max_length=64, help_text="version of the taxonomy")
    inputs = models.CharField(max_length=64)
    inputs_at = models.DateTimeField()
    fence = models.BigIntegerField(default=0)
    done_through = models.BigIntegerField(default=0)
    published_at = models.DateTimeField(null=True, blank=True)

    objects = GenerationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=Q(state="live"), name="one_live_generation"),
            models.UniqueConstraint(fields=["inputs"], condition=Q(state="draft"), name="one_draft_of_inputs"),
        ]

    def __str__(self) -> str:
        return f"generation {self.pk}"


class Recommendation(models.Model):
    """One project for one user in one generation.

    components: values in [0, 1]; parts: what each adds, their sum is the score; raw_score: the reference
    formula. All null for a person nothing is known of (cold_start). stacks, categories: matched, by name;
    nearest: what they starred, liked or saved that is most like it. wrote: their words that led to it, under "" those
    near to it in meaning. A row that was moved keeps rank_by_score and says why.
    """

    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="recommendations", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="recommendations")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="recommendations")
    rank = models.PositiveSmallIntegerField()
    rank_by_score = models.PositiveSmallIntegerField()
    moved_because = models.CharField(max_length=200, blank=True, default="")
    score = models.FloatField(null=True)
    raw_score = models.FloatField(null=True)
    components = models.JSONField(null=True)
    parts = models.JSONField(null=True)
    stacks = ArrayField(models.TextField(), default=list)
    categories = ArrayField(models.TextField(), default=list)
    nearest = models.ForeignKey(Project, null=True, on_delete=models.SET_NULL, related_name="+")
    cold_start = models.BooleanField(default=False, help_text="nothing known of the person led to it")
    wrote = models.JSONField(
        default=dict, db_default={}, help_text="words of theirs that led to it, by the name of what they say"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["generation", "user", "rank"], name="one_a_rank"),
            models.UniqueConstraint(fields=["generation", "user", "project"], name="a_project_once"),
            models.CheckConstraint(
                condition=Q(cold_start=True, score=None) | Q(cold_start=False, score__isnull=False),
                name="scored_unless_cold",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rank}. {self.project_id} for {self.user_id}"
