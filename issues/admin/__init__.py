"""The admin of issues: what came in, what was found and said, what people did, and what is sent on."""

from issues.admin import clusterings, edits, issues, items, labels, live

__all__ = ["clusterings", "edits", "issues", "items", "labels", "live"]
