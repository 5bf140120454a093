"""The pages: a function reads the request, asks, and draws a template."""
