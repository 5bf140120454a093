"""enrich | ready | embed | score: from a project as its source gave it to what each person is recommended.

collect | commits | details: from GitHub to a project.
"""

from engine.collecting import sources_on
from engine.pipeline import Pipeline
from recommendations.collecting import SOURCE
from recommendations.stages import COLLECTING, PIPELINE, STAGES

RECOMMENDATIONS = Pipeline(
    name=PIPELINE,
    stages=STAGES,
    collecting=COLLECTING,
    known=(SOURCE,),
    sources=lambda: sources_on(PIPELINE),
    # The asset names of OST Data Engine, for those who know the pipeline by them.
    aliases={
        "github_scraping": "collect",
        "github_data_ready": "details",
        "project_mappings": "enrich",
        "mappings_ready": "ready",
        "dbt_projects_asset": "enrich",
        "dbt_project_enriched_data_asset": "enrich",
        "dbt_user_embeddings_data_asset": "enrich",
        "project_semantic_embeddings_asset": "embed",
        "user_embeddings": "embed",
        "project_hybrid_embeddings_asset": "score",
        "dbt_user_project_similarities_asset": "score",
        "user_project_similarities_asset": "score",
    },
)
