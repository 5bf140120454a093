"""What is stored: who, what, how they met, and what was recommended. One noun a module."""

from recommendations.models.interaction import Impression, Interaction
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
from recommendations.models.taxonomy import Category, CategoryEmbedding, TechStack

__all__ = [
    "Category",
    "CategoryEmbedding",
    "Generation",
    "HybridVector",
    "Impression",
    "Interaction",
    "Message",
    "MessageEmbedding",
    "Profile",
    "ProfileCategory",
    "ProfileEmbedding",
    "ProfileTechStack",
    "Project",
    "ProjectCategory",
    "ProjectEmbedding",
    "ProjectTechStack",
    "Recommendation",
    "TechStack",
    "Weights",
]
