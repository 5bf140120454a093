"""enrich | ready | embed | score: from a project as its source gave it to what each person is recommended."""

from engine.pipeline import Pipeline
from recommendations.stages import PIPELINE, STAGES

RECOMMENDATIONS = Pipeline(
    name=PIPELINE,
    stages=STAGES,
    # The asset names of OST Data Engine, for those who know the pipeline by them.
    aliases={
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
