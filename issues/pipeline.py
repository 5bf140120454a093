"""embed | cluster | label | chart | index: from the posts of a day to the problems that people report in them.

collect: a source and a day of posts.
"""

from engine.pipeline import Asset, Pipeline
from issues.clusterings import days
from issues.collecting import KNOWN, PIPELINE, sources
from issues.stages import COLLECTING, STAGES

ASSETS = (
    Asset("bronze.raw_items", "collect", (), "bronze"),
    Asset("embed", "embed", ("bronze.raw_items",), "silver"),
    Asset("silver.clusters", "cluster", ("embed",), "silver"),
    Asset("gold.issues", "label", ("silver.clusters",), "gold"),
    Asset("chart", "chart", ("gold.issues",), "gold"),
    Asset("index", "index", ("gold.issues",), "gold"),
)
ISSUES = Pipeline(
    name=PIPELINE,
    stages=STAGES,
    by_day=True,
    days=days,
    collecting=COLLECTING,
    known=KNOWN,
    sources=sources,
    assets=ASSETS,
    # As the Dagster pipeline calls its assets, without their schemas.
    aliases={"raw_items": "collect", "clusters": "cluster", "issues": "label"},
)
