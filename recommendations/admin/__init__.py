"""The admin of recommendations: what curators keep, and what they may look at."""

from recommendations.admin import (
    campaigns,
    collecting,
    conversations,
    engagement,
    first_issues,
    links,
    people,
    projects,
    recommendations,
    taxonomy,
    weights,
)

__all__ = [
    "campaigns",
    "collecting",
    "conversations",
    "engagement",
    "first_issues",
    "links",
    "people",
    "projects",
    "recommendations",
    "taxonomy",
    "weights",
]
