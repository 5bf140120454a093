"""What is stored: posts, what was found among those of a day, and the problems that live across days."""

from issues.models.clustering import Assignment, Cluster, Clustering
from issues.models.issue import Issue, IssueDay, Lineage
from issues.models.item import ItemEmbedding, RawItem
from issues.models.label import Category, Impact, Label

__all__ = [
    "Assignment",
    "Category",
    "Cluster",
    "Clustering",
    "Impact",
    "Issue",
    "IssueDay",
    "ItemEmbedding",
    "Label",
    "Lineage",
    "RawItem",
]
