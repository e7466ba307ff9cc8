"""What answers HTTP: the webhook, health, the API, and who may use them.

Turns requests into calls and results into answers; nothing is decided or stored here.
"""
