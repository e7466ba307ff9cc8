"""Schema changes, forward only, one file each under ``versions/``. Two releases can share a schema during an update.

What the schema means stands in ``store/schema.py``; a test compares the two.
"""
