"""A row in each table that the admin of issues shows, without a run."""

from django.contrib.auth.models import User

from engine.models import EmbeddingModel
from issues.models import (
    Assignment,
    Cluster,
    Clustering,
    Issue,
    IssueDay,
    IssueEdit,
    Label,
    Lineage,
    LiveIssue,
    RawItem,
    Suggestion,
)


def make_found(item: RawItem, issue: Issue, curator: User | None = None) -> Cluster:
    """A live day that holds that post, which is evidence of that issue; a curator said that another is not the same."""
    item.refresh_from_db()
    day = item.collected_on
    live = Clustering.objects.create(
        day=day, state="live", model=EmbeddingModel.objects.live(), method="graph", inputs="0" * 64, finished=True,
        outcome="clustered", items=1, outlier_ratio=0.0, published_at=item.stored_at,
    )  # fmt: skip
    said = {"title": issue.title, "description": "It ends before the last page is written."}
    label = Label.objects.create(prompt_hash="1" * 64, state="labelled", source="llm", model="local/one", **said)
    cluster = Cluster.objects.create(
        clustering=live, number=0, size=1, mean_distance=0.1, membership=0.9, centroid=[1.0], label=label,
        found=issue, issue=issue,
    )  # fmt: skip
    Assignment.objects.create(clustering=live, item=item, cluster=cluster, membership=0.9, exemplar=1, issue=issue)
    Issue.objects.filter(pk=issue.pk).update(label=label)
    IssueDay.objects.create(issue=issue, day=day, items=1, authors=1, sources=[item.source])
    seen = {"first_seen": day, "last_seen": day}
    other = Issue.objects.create(title="Exports stay half done", label_state="labelled", **seen)
    Lineage.objects.create(issue=issue, day=day, kind="born")
    Suggestion.objects.create(issue=issue, other=other, day=day, alike=0.83)
    IssueEdit.objects.create(
        kind="differ", issue=issue, other=other, actor=curator, value={"items": {item.pk: issue.pk}}
    )
    LiveIssue.objects.create(remote_id=f"{issue.pk:015}", collection="issues", issue=issue)
    return cluster
