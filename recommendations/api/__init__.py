"""The JSON API of this app."""
