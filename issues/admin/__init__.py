"""The admin of issues: what came in, what was found and said, what people did, and what is sent on."""

from issues.admin import clusterings, collecting, edits, issues, items, labels, live

__all__ = ["clusterings", "collecting", "edits", "issues", "items", "labels", "live"]
