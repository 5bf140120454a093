"""What is asked of GitHub, and what only details tell of a project: how alive it is, and its last commits."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from recommendations.models.project import Project
from recommendations.schemas import FULL_NAME

MOST = 100_000  # repositories a day of one query
MOST_STARS = 1_000_000
MOST_COMMITS = 300


class RepositoryQuery(models.Model):
    """Repositories of a language with so many stars that were pushed to lately, asked for each day."""

    language = models.CharField(max_length=60, blank=True, default="", help_text="as GitHub names it; empty: any")
    stars_from = models.PositiveIntegerField(default=100, validators=[MaxValueValidator(MOST_STARS)])
    stars_to = models.PositiveIntegerField(null=True, blank=True, validators=[MaxValueValidator(MOST_STARS)])
    pushed_within_days = models.PositiveIntegerField(
        default=365, validators=[MinValueValidator(1), MaxValueValidator(10_000)]
    )
    at_most = models.PositiveIntegerField(
        default=1_000,
        validators=[MinValueValidator(1), MaxValueValidator(MOST)],
        help_text="repositories a day, those with the most stars first; beyond 1,000 it is asked in slices",
    )
    on = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "repository queries"
        ordering = ("language", "-stars_from")
        constraints = [
            models.UniqueConstraint(
                Lower("language"), "stars_from", "stars_to", "pushed_within_days",
                name="repository_query_once", nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(stars_to=None) | Q(stars_to__gte=models.F("stars_from")),
                name="repository_query_stars",
                violation_error_message="The most stars are fewer than the least.",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        stars = f"{self.stars_from:,}" if self.stars_to is None else f"{self.stars_from:,} to {self.stars_to:,}"
        return f"{self.language or 'any language'}, {stars} stars, pushed within {self.pushed_within_days:,} days"


class NamedRepository(models.Model):
    """A repository that somebody wants to have, with its last commits, whatever the queries find.

    etag: of the repository; commits_etag: of its list of commits. commits_for: the push that its commits are of.
    """

    full_name = models.CharField(
        max_length=150, validators=[RegexValidator(FULL_NAME, "A repository is named owner/name.")]
    )
    commits = models.PositiveIntegerField(
        default=30, validators=[MaxValueValidator(MOST_COMMITS)], help_text="how many of its last commits are kept"
    )
    on = models.BooleanField(default=True)
    project = models.OneToOneField(
        Project, null=True, blank=True, on_delete=models.SET_NULL, related_name="named", editable=False
    )
    etag = models.CharField(max_length=200, blank=True, default="", editable=False)
    commits_etag = models.CharField(max_length=200, blank=True, default="", editable=False)
    commits_listed = models.JSONField(null=True, blank=True, editable=False, help_text="what of a push is being read")
    commits_for = models.DateTimeField(null=True, blank=True, editable=False)
    commits_after = models.DateTimeField(null=True, blank=True, editable=False, help_text="not asked for before then")
    reason = models.CharField(
        max_length=200, blank=True, default="", editable=False, help_text="why it, or its commits, could not be had"
    )

    class Meta:
        verbose_name_plural = "named repositories"
        ordering = ("full_name",)
        constraints = [models.UniqueConstraint(Lower("full_name"), name="named_repository_once")]

    def __str__(self) -> str:
        return self.full_name


class ProjectActivity(models.Model):
    """How alive a project was when it was last measured.

    weekly: commits a week, the latest last. response_hours: the median time from the opening of an issue to the
    first comment by somebody of the project; None where nobody answered, or nobody knows.
    """

    project = models.OneToOneField(Project, on_delete=models.CASCADE, primary_key=True, related_name="activity")
    commits_month = models.PositiveIntegerField(null=True, blank=True)
    commits_year = models.PositiveIntegerField(null=True, blank=True)
    weekly = models.JSONField(default=list, blank=True)
    response_hours = models.FloatField(null=True, blank=True)
    validators = models.JSONField(default=dict, blank=True, help_text="ETags of what REST was asked for, by its name")
    measured_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "project activities"

    def __str__(self) -> str:
        return f"activity of {self.project_id}"


class ProjectCommit(models.Model):
    """One of a named repository's last commits.

    author_hash: keyed, so that authors can be counted and not named. files: [path, lines added, lines deleted];
    cut: it changed more files than are kept.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="commits", db_index=False)
    sha = models.CharField(max_length=64)
    committed_at = models.DateTimeField()
    author_hash = models.CharField(max_length=64, blank=True, default="")
    files = models.JSONField(default=list, blank=True)
    cut = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "sha"], name="project_commit_once")]
        indexes = [models.Index(fields=["project", "-committed_at"], name="project_commit_newest")]

    def __str__(self) -> str:
        return self.sha[:10]
