"""What is stored: who, what, how they met, and what was recommended. One noun a module."""

from recommendations.models.campaign import Campaign, Engagement
from recommendations.models.collecting import NamedRepository, ProjectActivity, ProjectCommit, RepositoryQuery
from recommendations.models.fact import Fact, Saying
from recommendations.models.first_issue import FirstIssue, FirstIssueCheck
from recommendations.models.intent import Intent, IntentEmbedding
from recommendations.models.interaction import Impression, Interaction, Response
from recommendations.models.message import Message, MessageEmbedding
from recommendations.models.profile import Profile, ProfileCategory, ProfileEmbedding, ProfileTechStack
from recommendations.models.project import (
    HybridVector,
    Project,
    ProjectCategory,
    ProjectEmbedding,
    ProjectTechStack,
)
from recommendations.models.recommendation import Generation, Recommendation, Weights
from recommendations.models.star_import import StarImport
from recommendations.models.taxonomy import Category, CategoryEmbedding, TechStack

__all__ = [
    "Campaign",
    "Category",
    "CategoryEmbedding",
    "Engagement",
    "Fact",
    "FirstIssue",
    "FirstIssueCheck",
    "Generation",
    "HybridVector",
    "Impression",
    "Intent",
    "IntentEmbedding",
    "Interaction",
    "Message",
    "MessageEmbedding",
    "NamedRepository",
    "Profile",
    "ProfileCategory",
    "ProfileEmbedding",
    "ProfileTechStack",
    "Project",
    "ProjectActivity",
    "ProjectCategory",
    "ProjectCommit",
    "ProjectEmbedding",
    "ProjectTechStack",
    "Recommendation",
    "RepositoryQuery",
    "Response",
    "Saying",
    "StarImport",
    "TechStack",
    "Weights",
]
