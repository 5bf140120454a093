"""What people say about themselves."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from engine.models import Embedding
from recommendations.models.project import Link
from recommendations.models.taxonomy import Category, TechStack


class Profile(models.Model):
    """One a user. changed_at: when anything that recommendations depend on last changed, interactions included."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="profile"
    )
    bio = models.TextField(blank=True, default="")
    location = models.CharField(max_length=200, blank=True, default="")
    company = models.CharField(max_length=200, blank=True, default="")
    job_title = models.CharField(max_length=200, blank=True, default="")
    interests = ArrayField(models.TextField(), default=list, blank=True)
    changed_at = models.DateTimeField(db_default=Now())
    welcomed_at = models.DateTimeField(null=True, blank=True, help_text="when they went through, or past, the welcome")

    def __str__(self) -> str:
        return f"profile {self.pk}"


class ProfileCategory(Link):
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="category_links", db_index=False)
    category = models.ForeignKey(Category, on_delete=models.CASCADE, related_name="profile_links")

    class Meta:
        verbose_name_plural = "profile categories"
        constraints = [
            *Link.Meta.constraints,
            models.UniqueConstraint(fields=["profile", "category"], name="profile_category_once"),
        ]

    def __str__(self) -> str:
        return f"{self.profile} likes {self.category}"


class ProfileTechStack(Link):
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="stack_links", db_index=False)
    stack = models.ForeignKey(TechStack, on_delete=models.CASCADE, related_name="profile_links")

    class Meta:
        constraints = [
            *Link.Meta.constraints,
            models.UniqueConstraint(fields=["profile", "stack"], name="profile_stack_once"),
        ]

    def __str__(self) -> str:
        return f"{self.profile} knows {self.stack}"


class ProfileEmbedding(Embedding):
    subject_name = "profiles"
    subject = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="embeddings", db_index=False)

    class Meta(Embedding.Meta):
        pass
