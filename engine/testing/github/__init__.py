"""GitHub's REST and GraphQL APIs on loopback, over a world that a test makes and changes."""

from engine.testing.github.api import GitHub
from engine.testing.github.synthetic import synthetic, synthetic_issues
from engine.testing.github.world import Comment, Commit, Issue, Repo

__all__ = ["Comment", "Commit", "GitHub", "Issue", "Repo", "synthetic", "synthetic_issues"]
