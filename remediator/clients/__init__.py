"""Narrow, typed clients of what is outside: Kubernetes, Alertmanager, Prometheus, each with its dry-run form.

Foreign errors become ours here and go no further. Nothing here decides anything.
"""
