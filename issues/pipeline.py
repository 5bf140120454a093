"""embed | cluster | label | chart | index: from the posts of a day to the problems that people report in them.

collect: a source and a day of posts.
"""

from engine.pipeline import Pipeline
from issues.clusterings import days
from issues.collecting import KNOWN, PIPELINE, sources
from issues.stages import COLLECTING, STAGES

ISSUES = Pipeline(
    name=PIPELINE,
    stages=STAGES,
    by_day=True,
    days=days,
    collecting=COLLECTING,
    known=KNOWN,
    sources=sources,
    # The asset names of the Dagster pipeline, for those who know it by them.
    aliases={
        "raw_items": "collect",
        "bronze.raw_items": "collect",
        "clusters": "cluster",
        "silver.clusters": "cluster",
        "issues": "label",
        "gold.issues": "label",
    },
)
