"""One Kubernetes cluster, narrow and typed: a file for each kind of thing that is read or changed there.

Foreign errors end in errors.py, requests leave through api.py alone. Nothing here decides, waits or repeats.
"""
