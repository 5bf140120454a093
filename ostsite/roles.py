"""What two groups of staff may do; each migrate makes them so again."""

from typing import Any

from django.apps.registry import Apps
from django.apps.registry import apps as present

VIEW, ADD_VIEW, VIEW_CHANGE, ADD_VIEW_CHANGE = "view", "add view", "view change", "add view change"
ALL = "view add change delete"
FOUND = dict.fromkeys(
    (
        "issues.rawitem",
        "issues.clustering",
        "issues.cluster",
        "issues.issueedit",
        "issues.suggestion",
        "issues.lineage",
    ),
    VIEW,
)  # what was found among the posts, and what was done with it
ASKED = dict.fromkeys(("issues.keyword", "issues.feed"), ALL)  # what posts are asked for

# role -> model -> what it may do with it. A link that a curator takes away is not deleted: its row says "no".
# To change a run, a fetch, an embedding, a label or a live record is to try it again.
ROLES = {
    "curator": {
        "recommendations.category": ADD_VIEW_CHANGE,
        "recommendations.techstack": ADD_VIEW_CHANGE,
        "recommendations.project": VIEW_CHANGE,
        "recommendations.projectcategory": ADD_VIEW_CHANGE,
        "recommendations.projecttechstack": ADD_VIEW_CHANGE,
        "recommendations.weights": ADD_VIEW,
        "recommendations.generation": VIEW,
        "recommendations.recommendation": VIEW,
        "recommendations.profile": VIEW,
        "recommendations.firstissue": VIEW,
        "recommendations.intent": ADD_VIEW_CHANGE,
        "recommendations.impression": "measure",  # the rates of all together; not who saw what
        **FOUND,
        **ASKED,
        "issues.issue": "view curate",
        "issues.label": VIEW,
    },
    "operator": {
        "engine.run": VIEW_CHANGE,
        "engine.step": VIEW,
        "engine.audit": VIEW,
        "engine.anomaly": "view delete",  # deleting one says that it was seen
        "engine.workergroup": VIEW,
        "engine.embeddingmodel": VIEW_CHANGE,  # to put one live, to pause or to retire it
        "engine.source": VIEW_CHANGE,
        "engine.fetch": VIEW_CHANGE,
        "engine.upstream": VIEW_CHANGE,
        "recommendations.campaign": ALL,
        "recommendations.repositoryquery": ALL,
        "recommendations.namedrepository": ALL,
        "recommendations.impression": "measure",
        "recommendations.projectembedding": VIEW_CHANGE,
        "recommendations.profileembedding": VIEW_CHANGE,
        "recommendations.categoryembedding": VIEW_CHANGE,
        "recommendations.messageembedding": VIEW_CHANGE,
        "recommendations.intentembedding": VIEW_CHANGE,
        "recommendations.message": "add",  # to hand conversations in, and not to read them
        "issues.itemembedding": VIEW_CHANGE,
        "issues.issueembedding": VIEW_CHANGE,
        **FOUND,
        **ASKED,
        "issues.issue": VIEW,
        "issues.label": VIEW_CHANGE,
        "issues.liveissue": VIEW_CHANGE,
        "django_q.schedule": VIEW,
        "django_q.task": VIEW,
        "django_q.success": VIEW,
        "django_q.failure": VIEW,
        "django_q.ormq": VIEW,
    },
}


def permitted(role: str) -> set[tuple[str, str]]:
    """Its permissions as pairs (app, codename)."""
    models = {tuple(name.split(".")): verbs.split() for name, verbs in ROLES[role].items()}
    return {(app, f"{verb}_{model}") for (app, model), verbs in models.items() for verb in verbs}


def make_roles(using: str = "default", apps: Apps = present, **kwargs: Any) -> None:
    """Give each group exactly its permissions; a receiver of post_migrate."""
    try:
        group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    except LookupError:  # migrated back to before there were any
        return
    rows = permission.objects.using(using).values_list("pk", "content_type__app_label", "codename")
    for role in ROLES:
        wanted = permitted(role)
        made, _ = group.objects.using(using).get_or_create(name=role)
        made.permissions.set(pk for pk, *named in rows if tuple(named) in wanted)
