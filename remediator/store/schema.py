"""Every table, one comment a column. Migrations under ``migrations/`` make exactly this; a test compares the two.

Instants are microseconds (``columns.Instant``), JSON is ASCII text (``columns.Json``), ids are text made by ``remediator.ids``.
``mode`` (S21) is fixed when a row is made: ``live``, ``dry-run`` or ``drill``.
"""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    text,
)

from remediator.store.columns import Instant, Json
from remediator.store.columns import PlainText as Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

meta = Table(
    "meta",
    metadata,
    Column(
        "key",
        Text,
        primary_key=True,
        comment="mode, live_since, active_set ...",
    ),
    Column("value", Json, nullable=False, comment="JSON value"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True, comment="dlv_..."),
    Column("source", Text, nullable=False, comment="name of the source (S1)"),
    Column("received_at", Instant, nullable=False, comment="when the body was read"),
    Column("receiver", Text, nullable=False, comment="Alertmanager's receiver, unescaped"),
    Column("group_key", Text, nullable=False, comment="Alertmanager's groupKey"),
    Column(
        "truncated",
        Integer,
        nullable=False,
        comment="alerts that max_alerts cut off; -1: body over the size limit, not read (S3)",
    ),
    Column("alerts", Integer, nullable=False, comment="alerts in the body"),
    Column(
        "body",
        LargeBinary,
        nullable=False,
        comment="the body, zlib; stored once, not once per alert; not stored for mere repeats",
    ),
    Column(
        "fetched_at",
        Instant,
        comment="when the rest of a truncated group was fetched; null: not needed or still owed",
    ),
)
Index(
    "ix_deliveries_owed",
    deliveries.c.received_at,
    sqlite_where=text("truncated != 0 AND fetched_at IS NULL"),
    postgresql_where=text("truncated != 0 AND fetched_at IS NULL"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Text, primary_key=True, comment="dead_..."),
    Column("source", Text, nullable=False, comment="name of the source"),
    Column("received_at", Instant, nullable=False, comment="when it came"),
    Column(
        "raw",
        LargeBinary,
        nullable=False,
        comment="the alert as it came, cut at 64 KiB",
    ),
    Column("error", Text, nullable=False, comment="what could not be understood"),
    Column(
        "incident_id",
        Text,
        ForeignKey("incidents.id"),
        comment="the hour's dead-letter incident (S3, S31); null until the decider has seen it",
    ),
)
Index(
    "ix_dead_letters_new",
    dead_letters.c.received_at,
    sqlite_where=text("incident_id IS NULL"),
    postgresql_where=text("incident_id IS NULL"),
)
Index("ix_dead_letters_incident_id", dead_letters.c.incident_id)

episodes = Table(
    "episodes",
    metadata,
    Column("id", Text, primary_key=True, comment="epi_..."),
    Column(
        "source",
        Text,
        nullable=False,
        comment="name of the source; part of the key (S1)",
    ),
    Column(
        "fingerprint",
        Text,
        nullable=False,
        comment="Alertmanager's fingerprint; part of the key (S2)",
    ),
    Column("state", Text, nullable=False, comment="open, doubtful or closed"),
    Column(
        "latest",
        Boolean,
        nullable=False,
        comment="the newest episode of its source and fingerprint",
    ),
    Column("starts_at", Instant, nullable=False, comment="earliest start seen"),
    Column("last_starts_at", Instant, nullable=False, comment="latest start seen"),
    Column("ended_at", Instant, comment="latest end seen"),
    Column("closed_at", Instant, comment="when we closed it, by our clock"),
    Column("first_received_at", Instant, nullable=False, comment="first delivery"),
    Column("last_received_at", Instant, nullable=False, comment="last delivery of any kind"),
    Column(
        "confirmed_at",
        Instant,
        comment="last time a delivery or the API showed it firing; null: unconfirmed, not to be acted upon (S2)",
    ),
    Column(
        "flaps",
        Integer,
        nullable=False,
        default=0,
        comment="firings with a later start while open",
    ),
    Column(
        "repeats",
        Integer,
        nullable=False,
        default=0,
        comment="deliveries that changed nothing",
    ),
    Column("severity", Text, nullable=False, comment="mapped by settings (S4)"),
    Column(
        "alertname",
        Text,
        nullable=False,
        comment="label alertname, NUL and surrogates escaped; empty when absent",
    ),
    Column("labels", Json, nullable=False, comment="all labels"),
    Column(
        "annotations",
        Json,
        nullable=False,
        comment="annotations, each cut at 4 KiB; whole in the delivery",
    ),
    Column("generator_url", Text, nullable=False, comment="link to the rule; may be empty"),
    Column(
        "external_url",
        Text,
        nullable=False,
        comment="link to the Alertmanager; may be empty",
    ),
    Column("receiver", Text, nullable=False, comment="receiver of the first delivery"),
    Column("group_key", Text, nullable=False, comment="groupKey of the last delivery that changed it"),
    Column(
        "delivery_id",
        Text,
        ForeignKey("deliveries.id"),
        comment="last delivery that changed it (a mere repeat is not kept); null when fetched from the API",
    ),
    Column(
        "incident_id",
        Text,
        ForeignKey("incidents.id"),
        comment="set by the first decision",
    ),
    Column(
        "decide_again_at",
        Instant,
        comment="when the decider looks at it (S5); null: only at an event",
    ),
    Column("rank", Integer, nullable=False, comment="severity rank, smaller is sooner (S4)"),
)
Index(
    "uq_episodes_latest",
    episodes.c.source,
    episodes.c.fingerprint,
    unique=True,
    sqlite_where=text("latest = 1"),
    postgresql_where=text("latest"),
)
Index(
    "ix_episodes_due",
    episodes.c.rank,
    episodes.c.decide_again_at,
    sqlite_where=text("decide_again_at IS NOT NULL"),
    postgresql_where=text("decide_again_at IS NOT NULL"),
)
Index(
    "ix_episodes_open",
    episodes.c.source,
    episodes.c.alertname,
    sqlite_where=text("state != 'closed'"),
    postgresql_where=text("state != 'closed'"),
)
Index("ix_episodes_incident_id", episodes.c.incident_id)
Index("ix_episodes_delivery_id", episodes.c.delivery_id)
Index("ix_episodes_closed_at", episodes.c.source, episodes.c.closed_at)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Text, primary_key=True, comment="dec_..."),
    Column(
        "episode_id",
        Text,
        ForeignKey("episodes.id"),
        nullable=False,
        comment="decided for",
    ),
    Column(
        "incident_id",
        Text,
        ForeignKey("incidents.id"),
        nullable=False,
        comment="the episode's incident",
    ),
    Column("playbook", Text, comment="null for no_playbook (S5)"),
    Column("revision", Text, comment="hash of the playbook that was judged"),
    Column("mode", Text, nullable=False, comment="S21"),
    Column(
        "verdict",
        Text,
        nullable=False,
        comment="run, approve, propose, observe, deny, superseded, no_playbook",
    ),
    Column("kind", Text, comment="of a denial: wait or refuse (S8)"),
    Column("target", Text, comment="the target, when one was found"),
    Column(
        "reasons",
        Json,
        nullable=False,
        comment="every denial and note, with values and earliest times",
    ),
    Column(
        "plan",
        Json,
        comment="what would be or was to be done: remedy and plans of its steps",
    ),
    Column(
        "answer_hash",
        Text,
        nullable=False,
        comment="of verdict, kinds and codes; unchanged answers raise `times`",
    ),
    Column(
        "times",
        Integer,
        nullable=False,
        default=1,
        comment="how often this answer was given in a row",
    ),
    Column("decided_at", Instant, nullable=False, comment="first time"),
    Column("confirmed_at", Instant, nullable=False, comment="last time"),
    Column("decide_again_at", Instant, comment="earliest time at which it may change"),
    Column("run_id", Text, comment="the run that it admitted"),
    Column(
        "current",
        Boolean,
        nullable=False,
        comment="the standing answer of its episode and playbook",
    ),
)
Index(
    "ix_decisions_episode",
    decisions.c.episode_id,
    decisions.c.playbook,
    sqlite_where=text("current = 1"),
    postgresql_where=text("current"),
)
Index("ix_decisions_episode_id", decisions.c.episode_id)
Index("ix_decisions_incident_id", decisions.c.incident_id)
Index("ix_decisions_decided_at", decisions.c.decided_at)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Text, primary_key=True, comment="inc_..."),
    Column(
        "key",
        Text,
        nullable=False,
        comment="target, or cause while none is known (S31), behind mode",
    ),
    Column("target", Text, comment="null while undetermined"),
    Column("mode", Text, nullable=False, comment="S21"),
    Column("title", Text, nullable=False, comment="one line for people"),
    Column("severity", Text, nullable=False, comment="highest of its alerts"),
    Column("state", Text, nullable=False, comment="open or closed"),
    Column("opened_at", Instant, nullable=False, comment="first alert"),
    Column("closed_at", Instant, comment="all alerts closed and no run active (S35)"),
    Column(
        "verified_at",
        Instant,
        comment="end of its last verified run; null after any other ending",
    ),
    Column(
        "recurrences",
        Integer,
        nullable=False,
        default=0,
        comment="times reopened; suffix of the dedup key (S35)",
    ),
    Column(
        "look_again_at",
        Instant,
        comment="next time that escalation must be judged; null: only at an event",
    ),
    Column(
        "summary",
        Json,
        comment="what people may still want to know once its details are gone (store.retention); null before",
    ),
    Column("folded_at", Instant, comment="when the last of its details was removed"),
)
Index(
    "uq_incidents_open",
    incidents.c.key,
    unique=True,
    sqlite_where=text("state = 'open'"),
    postgresql_where=text("state = 'open'"),
)
Index("ix_incidents_key", incidents.c.key, incidents.c.opened_at)
Index("ix_incidents_opened_at", incidents.c.opened_at, incidents.c.id)
Index(
    "ix_incidents_due",
    incidents.c.look_again_at,
    sqlite_where=text("look_again_at IS NOT NULL"),
    postgresql_where=text("look_again_at IS NOT NULL"),
)
Index(
    "ix_incidents_unfolded",
    incidents.c.closed_at,
    incidents.c.id,
    sqlite_where=text("closed_at IS NOT NULL AND folded_at IS NULL"),
    postgresql_where=text("closed_at IS NOT NULL AND folded_at IS NULL"),
)

timeline = Table(
    "timeline",
    metadata,
    Column("id", Text, primary_key=True, comment="evt_..., time-ordered"),
    Column(
        "incident_id",
        Text,
        ForeignKey("incidents.id"),
        nullable=False,
        comment="whose story it is",
    ),
    Column("run_id", Text, comment="when it is about a run"),
    Column("at", Instant, nullable=False, comment="when"),
    Column("event", Text, nullable=False, comment="fixed word, for instance step_applied"),
    Column("text", Text, nullable=False, comment="one sentence for people"),
    Column("detail", Json, comment="values"),
)
Index("ix_timeline_incident_id", timeline.c.incident_id, timeline.c.id)
Index("ix_timeline_run_id", timeline.c.run_id, timeline.c.id)

runs = Table(
    "runs",
    metadata,
    Column(
        "id",
        Text,
        primary_key=True,
        comment="run_..., derived from playbook, target, episode and attempt; of a reverse, from the run and step",
    ),
    Column("mode", Text, nullable=False, comment="S21"),
    Column(
        "incident_id",
        Text,
        ForeignKey("incidents.id"),
        nullable=False,
        comment="whose problem it works on",
    ),
    Column(
        "episode_id",
        Text,
        ForeignKey("episodes.id"),
        nullable=False,
        comment="what it was admitted for",
    ),
    Column("playbook", Text, nullable=False, comment="name"),
    Column("revision", Text, nullable=False, comment="hash of the frozen playbook"),
    Column(
        "snapshot",
        Json,
        nullable=False,
        comment="the frozen playbook with its format version (S22)",
    ),
    Column(
        "needs",
        Text,
        nullable=False,
        server_default="snapshot/1",
        comment="formats that whoever claims it must know: of the snapshot and of each action (S22)",
    ),
    Column("target", Text, nullable=False, comment="canonical target"),
    Column("source", Text, nullable=False, comment="source of the episode"),
    Column(
        "remedy",
        Integer,
        nullable=False,
        comment="index of the remedy that the decision took",
    ),
    Column(
        "state",
        Text,
        nullable=False,
        comment="approval, scheduled, ready, running, waiting, needs_person, ended",
    ),
    Column(
        "outcome",
        Text,
        comment="runs.cursor.Outcome; `unknown` may stand while it keeps looking (S24)",
    ),
    Column("reason", Text, comment="why it ended or waits, one sentence"),
    Column(
        "cursor",
        Json,
        nullable=False,
        comment="where the state machine stands (runs.machine.Cursor)",
    ),
    Column("question", Json, comment="what a person is asked (S19)"),
    Column(
        "reminders",
        Integer,
        nullable=False,
        default=0,
        comment="times a person was reminded (S19)",
    ),
    Column("wake_at", Instant, comment="when it may be claimed"),
    Column("owner", Text, comment="process that holds it"),
    Column("lease_until", Instant, comment="until when, by the store's clock"),
    Column(
        "fence",
        Integer,
        nullable=False,
        default=0,
        comment="raised by every claim; every write of the run names it",
    ),
    Column("created_at", Instant, nullable=False, comment="admitted"),
    Column(
        "changed_at",
        Instant,
        comment="first begun step, also one that only looks: from here on it is active to its end (S18)",
    ),
    Column("ended_at", Instant, comment="when it ended"),
    Column(
        "deadline_at",
        Instant,
        nullable=False,
        comment="when it must have ended or wait for a person",
    ),
    Column("cancel_at", Instant, comment="when somebody asked to cancel"),
    Column("cancel_by", Text, comment="who, and why"),
    Column("answer", Json, comment="a person's answer not yet taken by the runner (S19)"),
)
Index(
    "ix_runs_due",
    runs.c.wake_at,
    sqlite_where=text("wake_at IS NOT NULL"),
    postgresql_where=text("wake_at IS NOT NULL"),
)
Index("ix_runs_episode_id", runs.c.episode_id)
Index("ix_runs_incident_id", runs.c.incident_id)
Index("ix_runs_state", runs.c.state, runs.c.created_at)
Index("ix_runs_target", runs.c.target, runs.c.created_at)
_ACTIVE = text("state IN ('ready', 'running', 'waiting', 'needs_person')")
Index(
    "uq_runs_active",
    runs.c.mode,
    runs.c.target,
    unique=True,
    sqlite_where=_ACTIVE,
    postgresql_where=_ACTIVE,
)

journal = Table(
    "journal",
    metadata,
    Column(
        "intent_id",
        Text,
        primary_key=True,
        comment="of run, remedy, step and direction: the same for every attempt (S15)",
    ),
    Column("run_id", Text, ForeignKey("runs.id"), nullable=False, comment="whose step"),
    Column("seq", Integer, nullable=False, comment="order within the run"),
    Column("remedy", Text, nullable=False, comment="name of the remedy"),
    Column("action", Text, nullable=False, comment="what it calls"),
    Column("direction", Text, nullable=False, comment="apply or undo"),
    Column(
        "state",
        Text,
        nullable=False,
        comment="begun, done, failed (nothing changed) or unsettled (nobody knows)",
    ),
    Column("plan", Json, nullable=False, comment="the exact plan"),
    Column("attempts", Integer, nullable=False, default=1, comment="times begun"),
    Column(
        "begun_at",
        Instant,
        nullable=False,
        comment="last begun mark, before the effect",
    ),
    Column(
        "first_begun_at",
        Instant,
        nullable=False,
        comment="first begun mark: what `landed` compares with",
    ),
    Column("ended_at", Instant, comment="when it was settled"),
    Column("applied", Json, comment="what the far side answered (actions.Applied)"),
    Column("error", Text, comment="what went wrong"),
    Column("fence", Integer, nullable=False, comment="fence of the claim that began it"),
)
Index("ix_journal_run_id", journal.c.run_id, journal.c.seq)

locks = Table(
    "locks",
    metadata,
    Column(
        "scope",
        Text,
        primary_key=True,
        comment="target or something above it (S17), behind mode",
    ),
    Column(
        "run_id",
        Text,
        ForeignKey("runs.id"),
        primary_key=True,
        comment="holder; locks belong to runs and outlive a crash",
    ),
    Column(
        "exclusive",
        Boolean,
        nullable=False,
        comment="the target itself; false: shared from below",
    ),
    Column("taken_at", Instant, nullable=False, comment="when"),
)
Index(
    "uq_locks_exclusive",
    locks.c.scope,
    unique=True,
    sqlite_where=text("exclusive = 1"),
    postgresql_where=text("exclusive"),
)
Index("ix_locks_run_id", locks.c.run_id)

ledger = Table(
    "ledger",
    metadata,
    Column(
        "run_id",
        Text,
        ForeignKey("runs.id"),
        primary_key=True,
        comment="one entry a run",
    ),
    Column("mode", Text, nullable=False, comment="dry-run counts nothing against live (S9)"),
    Column("playbook", Text, nullable=False, comment="for budgets and totals"),
    Column("target", Text, nullable=False, comment="for cooldown and budgets"),
    Column(
        "reserved_at",
        Instant,
        nullable=False,
        comment="when the deciding transaction reserved it",
    ),
    Column(
        "changed_at",
        Instant,
        comment="last begun effect; null: nothing changed yet, released when the run ends so",
    ),
    Column("counted_at", Instant, nullable=False, comment="from when its limits count: reserved_at, then changed_at"),
    Column("outcome", Text, comment="of the run, once ended"),
)
Index("ix_ledger_target", ledger.c.target, ledger.c.counted_at)
Index("ix_ledger_playbook", ledger.c.playbook, ledger.c.counted_at)
Index("ix_ledger_counted_at", ledger.c.counted_at)

approvals = Table(
    "approvals",
    metadata,
    Column(
        "run_id",
        Text,
        ForeignKey("runs.id"),
        primary_key=True,
        comment="the run that waits",
    ),
    Column("plan_hash", Text, nullable=False, comment="what a yes is bound to (S16)"),
    Column("plan", Json, nullable=False, comment="the plans as shown to people"),
    Column("requested_at", Instant, nullable=False, comment="when"),
    Column(
        "expires_at",
        Instant,
        nullable=False,
        comment="a later yes does nothing and says why (S34)",
    ),
    Column("answer", Text, comment="approved, rejected, expired or withdrawn"),
    Column("answered_at", Instant, comment="when"),
    Column("answered_by", Text, comment="who"),
    Column("reason", Text, comment="why"),
)
Index(
    "ix_approvals_open",
    approvals.c.expires_at,
    sqlite_where=text("answer IS NULL"),
    postgresql_where=text("answer IS NULL"),
)

outbox = Table(
    "outbox",
    metadata,
    Column(
        "id",
        Text,
        primary_key=True,
        comment="msg_..., time-ordered: sent in this order per key",
    ),
    Column(
        "incident_id",
        Text,
        ForeignKey("incidents.id"),
        comment="null for messages about ourselves",
    ),
    Column(
        "mode",
        Text,
        nullable=False,
        comment="the courier sends live rows only (S21, S30)",
    ),
    Column("channel", Text, nullable=False, comment="pagerduty"),
    Column("action", Text, nullable=False, comment="trigger or resolve"),
    Column("dedup_key", Text, nullable=False, comment="<incident>/L1[/n] (S35)"),
    Column(
        "cause",
        Text,
        nullable=False,
        comment="why it was written; one row per key, action and cause",
    ),
    Column(
        "message",
        Json,
        nullable=False,
        comment="what people are told (escalation.messages)",
    ),
    Column(
        "state",
        Text,
        nullable=False,
        comment="waiting, sent, refused (for good) or withheld (not live)",
    ),
    Column(
        "created_at",
        Instant,
        nullable=False,
        comment="in the transaction that caused it",
    ),
    Column("next_at", Instant, comment="next attempt; null when settled"),
    Column("attempts", Integer, nullable=False, default=0, comment="attempts made"),
    Column("settled_at", Instant, comment="accepted, refused or withheld"),
    Column("error", Text, comment="last error"),
)
Index("uq_outbox_cause", outbox.c.dedup_key, outbox.c.action, outbox.c.cause, unique=True)
Index(
    "ix_outbox_due",
    outbox.c.next_at,
    sqlite_where=text("state = 'waiting'"),
    postgresql_where=text("state = 'waiting'"),
)
Index(
    "ix_outbox_unsent",
    outbox.c.state,
    sqlite_where=text("state IN ('waiting', 'refused')"),
    postgresql_where=text("state IN ('waiting', 'refused')"),
)
Index("ix_outbox_incident_id", outbox.c.incident_id)

pauses = Table(
    "pauses",
    metadata,
    Column("id", Text, primary_key=True, comment="pau_..."),
    Column(
        "scope",
        Text,
        nullable=False,
        comment="all, playbook:<name>, namespace:<cluster>/<name> or target:<target>",
    ),
    Column("by", Text, nullable=False, comment="who"),
    Column("reason", Text, nullable=False, comment="why"),
    Column("began_at", Instant, nullable=False, comment="when"),
    Column(
        "remind_at",
        Instant,
        comment="when its owner is reminded; it never resumes by itself (S23)",
    ),
    Column("ended_at", Instant, comment="resumed"),
    Column("ended_by", Text, comment="by whom"),
)
Index(
    "ix_pauses_standing",
    pauses.c.scope,
    sqlite_where=text("ended_at IS NULL"),
    postgresql_where=text("ended_at IS NULL"),
)

autonomy = Table(
    "autonomy",
    metadata,
    Column("playbook", Text, primary_key=True, comment="name"),
    Column(
        "content_hash",
        Text,
        nullable=False,
        comment="match, target and remedies that the level was earned with (S14)",
    ),
    Column("level", Text, nullable=False, comment="observe, propose, approve or act"),
    Column("since", Instant, nullable=False, comment="when the ladder put it there"),
    Column("why", Text, nullable=False, comment="promotion or demotion"),
)

playbook_sets = Table(
    "playbook_sets",
    metadata,
    Column("hash", Text, primary_key=True, comment="of every playbook's revision"),
    Column("loaded_at", Instant, nullable=False, comment="first time seen"),
    Column("playbooks", Json, nullable=False, comment="name -> revision"),
)

replicas = Table(
    "replicas",
    metadata,
    Column("id", Text, primary_key=True, comment="own_..., one per start of a process; the owner of claims and duties"),
    Column("name", Text, nullable=False, comment="host name, or settings.replica: what people call it"),
    Column("mode", Text, nullable=False, comment="S21; all that live have the same"),
    Column("node", Text, comment="node that it runs on (settings.own_node), for S12"),
    Column("started_at", Instant, nullable=False, comment="first heartbeat"),
    Column("seen_at", Instant, nullable=False, comment="last heartbeat, by the store's clock"),
    Column(
        "lease_until", Instant, nullable=False, comment="until when it counts as alive; now, when it has left by itself"
    ),
    Column("set_hash", Text, comment="set of playbooks that it has loaded (S22)"),
    Column("knows", Json, nullable=False, comment="formats that it can carry out, as in runs.needs (S22)"),
)

duties = Table(
    "duties",
    metadata,
    Column("name", Text, primary_key=True, comment="decider, courier ...: what only one replica does at a time"),
    Column("owner", Text, comment="replica that has it; null: free"),
    Column("lease_until", Instant, comment="until when, by the store's clock; renewed with the heartbeat"),
    Column(
        "fence", Integer, nullable=False, comment="raised whenever it is taken; each of its transactions asks for it"
    ),
)
