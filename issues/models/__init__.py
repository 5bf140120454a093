"""What is stored: posts, what was found among those of a day, and the problems that live across days."""

from issues.models.chart import Chart, Place, Spot
from issues.models.clustering import Assignment, Cluster, Clustering
from issues.models.collecting import Feed, Keyword
from issues.models.edit import IssueEdit
from issues.models.issue import Issue, IssueDay, IssueEmbedding, Lineage, Suggestion
from issues.models.item import ItemEmbedding, RawItem
from issues.models.label import Category, Impact, Label
from issues.models.live import LiveIssue

__all__ = [
    "Assignment",
    "Category",
    "Chart",
    "Cluster",
    "Clustering",
    "Feed",
    "Impact",
    "Issue",
    "IssueDay",
    "IssueEdit",
    "IssueEmbedding",
    "ItemEmbedding",
    "Keyword",
    "Label",
    "Lineage",
    "LiveIssue",
    "Place",
    "RawItem",
    "Spot",
    "Suggestion",
]
