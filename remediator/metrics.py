"""Every metric of the program in one place. Owned by the app and handed down; there is no global registry.

Labels take values from closed sets only: never an alert's labels, a playbook's or a target's name.
"""

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

# What one alert in a webhook came to; the same words as in the webhook's answer.
ALERT_RESULTS = ("new", "repeats", "resolved", "doubtful", "late", "rejected")

_DOOR_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_REACTION_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 900, 3600)


class Metrics:
    """One registry with all metrics; ``render`` gives Prometheus' text format."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=registry)

        # Taking alerts in
        self.webhook_requests = Counter(
            "remediator_webhook_requests_total", "Webhook requests by HTTP status.", ["code"], registry=registry
        )
        self.webhook_duration = Histogram(
            "remediator_webhook_duration_seconds",
            "From the request's head to its answer, commit included.",
            buckets=_DOOR_BUCKETS,
            registry=registry,
        )
        self.alerts = Counter(
            "remediator_alerts_total", "Alerts taken in, by what they came to.", ["result"], registry=registry
        )
        for result in ALERT_RESULTS:
            self.alerts.labels(result=result)  # so that rate() sees the first one too
        self.dead_letters = Counter(
            "remediator_dead_letters_total", "Alerts stored raw since they could not be understood.", registry=registry
        )
        self.truncated_groups = Counter(
            "remediator_truncated_groups_total",
            "Deliveries that Alertmanager cut short.",
            registry=registry,
        )
        self.reconciliations = Counter(
            "remediator_reconciliations_total",
            "Comparisons with Alertmanager's list, one a source and minute.",
            ["result"],
            registry=registry,
        )
        for result in ("done", "failed"):
            self.reconciliations.labels(result=result)
        self.reconciled = Counter(
            "remediator_reconciled_alerts_total",
            "Alerts of which no delivery had told: taken_in, confirmed as firing, or closed as over.",
            ["result"],
            registry=registry,
        )
        for result in ("taken_in", "confirmed", "closed"):
            self.reconciled.labels(result=result)
        self.certificate_looks = Counter(
            "remediator_certificate_looks_total",
            "Looks at all certificates that are watched; failed: not all of them could be looked at.",
            ["result"],
            registry=registry,
        )
        for result in ("done", "failed"):
            self.certificate_looks.labels(result=result)
        self.watchdog_last_seen_at = Gauge(
            "remediator_watchdog_last_seen_timestamp_seconds",
            "When the Watchdog alert last came in (Unix time); 0 before the first.",
            registry=registry,
        )

        # Deciding and doing
        self.decisions = Counter(
            "remediator_decisions_total",
            "Decisions recorded, by verdict and first reason.",
            ["verdict", "reason"],
            registry=registry,
        )
        self.runs = Counter("remediator_runs_total", "Runs ended.", ["outcome", "mode"], registry=registry)
        self.runs_active = Gauge("remediator_runs_active", "Runs that have not ended.", registry=registry)
        self.runs_needing_person = Gauge(
            "remediator_runs_needing_person", "Runs that wait for a person's answer.", registry=registry
        )
        self.alert_to_first_call = Histogram(
            "remediator_alert_to_first_call_seconds",
            "From an alert's first delivery to the first write of its run.",
            buckets=_REACTION_BUCKETS,
            registry=registry,
        )
        self.paused = Gauge("remediator_paused", "1 while a pause is in force for everything.", registry=registry)
        self.mode_info = Gauge(
            "remediator_mode_info", "1 for the mode that the process runs in.", ["mode"], registry=registry
        )

        # The clock
        self.clock_steps = Counter(
            "remediator_clock_steps_total",
            "Steps of the clock over 5 s, with which all that is under way was moved.",
            ["direction"],
            registry=registry,
        )
        for direction in ("forward", "backward"):
            self.clock_steps.labels(direction=direction)

        # Store and queues
        self.queue_depth = Gauge("remediator_queue_depth", "Rows or requests waiting.", ["queue"], registry=registry)
        self.commit_duration = Histogram(
            "remediator_commit_duration_seconds",
            "One write transaction, from its turn to its end.",
            ["kind"],
            buckets=_DOOR_BUCKETS,
            registry=registry,
        )
        self.commit_wait = Histogram(
            "remediator_commit_wait_seconds",
            "How long a write transaction waited for its turn.",
            ["kind"],
            buckets=_DOOR_BUCKETS,
            registry=registry,
        )
        self.loop_lag = Histogram(
            "remediator_loop_lag_seconds",
            "How late the event loop was to do what was due.",
            buckets=_DOOR_BUCKETS,
            registry=registry,
        )

        # Several replicas
        self.duty_held = Gauge(
            "remediator_duty_held",
            "1 where this replica does what only one does at a time.",
            ["duty"],
            registry=registry,
        )
        self.replicas = Gauge("remediator_replicas", "Replicas that use this store and live.", registry=registry)

        # Keeping the store
        self.history_removed = Counter(
            "remediator_history_removed_rows_total",
            "Rows older than store.retention that were removed.",
            registry=registry,
        )

        # Telling people
        self.outbox_age = Gauge(
            "remediator_outbox_age_seconds",
            "Age of the oldest undelivered message; 0 for none.",
            registry=registry,
        )
        self.outbox_rows = Gauge(
            "remediator_outbox_rows", "Messages that wait or were refused for good.", ["state"], registry=registry
        )
        self.pages = Counter(
            "remediator_pages_total", "Attempts to deliver a message.", ["channel", "result"], registry=registry
        )

        # Playbooks
        self.playbooks_loaded = Gauge(
            "remediator_playbooks_loaded", "Playbooks in the set in force.", registry=registry
        )
        self.playbook_load_errors = Gauge(
            "remediator_playbook_load_errors",
            "Faults found by the last load; above 0 the set before it is in force.",
            registry=registry,
        )
        self.playbook_last_load_success_at = Gauge(
            "remediator_playbook_last_load_success_timestamp_seconds",
            "When the set in force was loaded (Unix time).",
            registry=registry,
        )

        # Clusters
        self.permissions_missing = Gauge(
            "remediator_permissions_missing",
            "Permissions that the playbooks in force need and that the API server says we do not have.",
            registry=registry,
        )

    def set_mode(self, mode: str) -> None:
        """Say which mode is in force, and only that one."""
        self.mode_info.clear()
        self.mode_info.labels(mode=mode).set(1)

    def transaction(self, kind: str, waited_s: float, took_s: float) -> None:
        """One write transaction is over."""
        self.commit_wait.labels(kind=kind).observe(waited_s)
        self.commit_duration.labels(kind=kind).observe(took_s)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format, to be served as ``content_type``."""
        return generate_latest(self.registry)
