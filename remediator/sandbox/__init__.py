"""The simulated world: servers on loopback that speak HTTP like Kubernetes, Alertmanager, Prometheus and PagerDuty.

It imports nothing of remediator, so that it cannot agree with our code by accident; nothing that decides belongs here.
Where it differs from the real things stands in README.md beside this file ("known gaps").
"""
