"""What the claims about speed rest on: ``python -m benchmarks``, or one by itself with ``--only``."""
