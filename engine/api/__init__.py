"""The JSON API: machinery that knows no domain."""
