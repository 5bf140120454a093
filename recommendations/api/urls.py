"""The addresses of the API."""

from django.urls import URLPattern, path

from recommendations.api import conversations, documents, me, recommendations, views

V1 = "api/v1/"
NAMED = f"{V1}projects/<str:owner>/<str:name>/"

urlpatterns: list[URLPattern] = [
    path("recommendations/<str:username>", recommendations.RecommendationsOf.as_view(), name="recommendations_of"),
    path("recommendations/<str:username>/", recommendations.RecommendationsOfWithSlash.as_view()),
    path(f"{V1}recommendations/<str:username>/", recommendations.Recommendations.as_view(), name="api_recommendations"),
    path(f"{V1}feedback/", me.Feedback.as_view(), name="api_feedback"),
    path(f"{V1}feedback/<str:owner>/<str:name>/<str:kind>/", me.OneFeedback.as_view(), name="api_one_feedback"),
    path(f"{V1}projects/", views.Projects.as_view(), name="api_projects"),
    path(NAMED, views.OneProject.as_view(), name="api_project"),
    path(f"{NAMED}similar/", views.Similar.as_view(), name="api_similar"),
    path(f"{V1}trending/", views.Trending.as_view(), name="api_trending"),
    path(f"{V1}categories/", views.Categories.as_view(), name="api_categories"),
    path(f"{V1}tech-stacks/", views.TechStacks.as_view(), name="api_tech_stacks"),
    path(f"{V1}good-first-issues/", views.GoodFirstIssues.as_view(), name="api_good_first_issues"),
    path(f"{V1}conversations/", conversations.Conversations.as_view(), name="api_conversations"),
    path(f"{V1}runs/", views.Runs.as_view(), name="api_runs"),
    path(f"{V1}me/", me.Me.as_view(), name="api_me"),
    path(f"{V1}me/export/", me.Export.as_view(), name="api_export"),
    path("api/schema/", documents.Schema.as_view(), name="api_schema"),
    path("api/docs/", documents.docs, name="api_docs"),
]
