"""What Alertmanager sends, as values: bodies become alerts, deliveries become episodes (S2), labels become severities (S4).

Pure: bytes and values in, values out. Storing and answering belong to ``engine.intake`` and ``web.webhook``.
"""
