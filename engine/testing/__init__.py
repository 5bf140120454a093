"""Local servers in the true shapes of the outside, which hold whoever asks to the true limits.

Standard library only. Each API is an Upstream whose world is plain data; `python -m engine.testing` starts them all.
"""
