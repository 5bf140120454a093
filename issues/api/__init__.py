"""The JSON API of problems."""
