"""The whole path on a given alert, in the simulated world: the demo, and later drills, playbook tests and backtests.

May start the app and the sandbox. Not here: what the service itself needs to run.
"""
