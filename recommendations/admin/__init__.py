"""The admin of recommendations: what curators keep, and what they may look at."""

from recommendations.admin import links, people, projects, recommendations, taxonomy, weights

__all__ = ["links", "people", "projects", "recommendations", "taxonomy", "weights"]
