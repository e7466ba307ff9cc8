"""What the claims about speed rest on. Each module is run by itself: ``python -m benchmarks.<name>``."""
