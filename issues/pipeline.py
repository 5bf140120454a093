"""embed | cluster | label | chart | index: from the posts of a day to the problems that people report in them."""

from engine.pipeline import Pipeline
from issues.clusterings import days
from issues.stages import STAGES

ISSUES = Pipeline(
    name="issues",
    stages=STAGES,
    by_day=True,
    days=days,
    # The asset names of the Dagster pipeline, for those who know it by them.
    aliases={
        "clusters": "cluster",
        "silver.clusters": "cluster",
        "issues": "label",
        "gold.issues": "label",
    },
)
