"""enrich | ready | embed | engage | score: from a project as its source gave it to what each person is recommended.

collect | commits | details | first_issues: from GitHub to a project.
"""

from engine.collecting import sources_on
from engine.pipeline import Asset, Pipeline
from recommendations.collecting import SOURCE
from recommendations.stages import COLLECTING, PIPELINE, STAGES

# What document 001 calls its assets, each after those that it is made from here.
ASSETS = (
    Asset("github_scraping", "collect", (), "github_data"),
    Asset("github_data_ready", "details", ("github_scraping",), "github_data"),
    Asset("dbt_projects_asset", "enrich", ("github_data_ready",), "ml_preparation"),
    Asset("project_mappings", "enrich", ("github_data_ready",), "reference_data"),
    Asset("dbt_project_enriched_data_asset", "enrich", ("dbt_projects_asset",), "ml_preparation"),
    Asset("mappings_ready", "ready", ("project_mappings",), "reference_data"),
    Asset("dbt_user_embeddings_data_asset", "enrich", ("project_mappings",), "ml_preparation"),
    Asset(
        "project_semantic_embeddings_asset",
        "embed",
        ("dbt_project_enriched_data_asset", "mappings_ready"),
        "ml_embeddings",
    ),
    Asset("user_embeddings", "embed", ("mappings_ready", "dbt_user_embeddings_data_asset"), "ml_embeddings"),
    Asset("project_hybrid_embeddings_asset", "score", ("project_semantic_embeddings_asset",), "ml_embeddings"),
    Asset("dbt_user_project_similarities_asset", "score", ("user_embeddings",), "ml_preparation"),
    Asset(
        "user_project_similarities_asset",
        "score",
        ("project_hybrid_embeddings_asset", "dbt_user_project_similarities_asset"),
        "ml_similarities",
    ),
)
RECOMMENDATIONS = Pipeline(
    name=PIPELINE,
    stages=STAGES,
    collecting=COLLECTING,
    known=(SOURCE,),
    sources=lambda: sources_on(PIPELINE),
    assets=ASSETS,
    job="training_data_pipeline",
)
