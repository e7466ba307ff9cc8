"""Changes to Kubernetes workloads, one file each, over ``clients.kubernetes``.

No request is built here and nothing waits: an action looks once, writes once, and the run machine does the rest.
"""
