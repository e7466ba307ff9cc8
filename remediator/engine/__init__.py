"""The moving parts, each a loop over rows in the store: a crash between two of them loses nothing, the next start goes on.

What the rows mean is decided by the pure packages, how they are stored by ``store``; parsing requests belongs to ``web``.
"""
