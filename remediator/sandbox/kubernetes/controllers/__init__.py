"""What runs in a cluster by itself: workload controllers, scheduling, kubelets, garbage collection.

Nothing that answers a request belongs here; controllers see the object store only.
"""
