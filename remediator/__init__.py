"""remediator: takes Alertmanager's webhooks, runs guarded remedies, verifies them, undoes them, tells people.

Each package here is one thing that the program does; CONTRIBUTING.md names the order of imports between them.
No code belongs in this file.
"""
