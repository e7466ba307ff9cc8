"""Who held which run when, written down by the database itself, and whether every write to the world was covered by it (S20)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from remediator.sandbox.journal import Received
from tests.chaos.site import Site
from tests.crash.databases import PostgresDatabase

_WATCH = """
CREATE TABLE IF NOT EXISTS claims_seen (
    at timestamptz NOT NULL, run_id text NOT NULL, target text NOT NULL, owner text, fence bigint NOT NULL, lease_until bigint
);
CREATE OR REPLACE FUNCTION see_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO claims_seen VALUES (clock_timestamp(), NEW.id, NEW.target, NEW.owner, NEW.fence, NEW.lease_until);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER see_claims AFTER UPDATE ON runs FOR EACH ROW
    WHEN ((OLD.owner, OLD.fence, OLD.lease_until) IS DISTINCT FROM (NEW.owner, NEW.fence, NEW.lease_until))
    EXECUTE FUNCTION see_claim();
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """What stood in the row from ``at`` on. ``lease_until`` by the database's clock."""

    at: datetime
    run_id: str
    target: str
    owner: str | None
    fence: int
    lease_until: datetime | None


def watch(database: PostgresDatabase) -> None:
    """From now on every change of a claim is written down, in the transaction that makes it. The tables must be there."""
    database.execute(_WATCH)


def seen(site: Site) -> list[Claim]:
    """In order."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    rows = site.rows("SELECT * FROM claims_seen ORDER BY at")
    for row in rows:
        if row["lease_until"] is not None:
            row["lease_until"] = epoch + timedelta(microseconds=row["lease_until"])
    return [Claim(**row) for row in rows]


def uncovered(site: Site) -> list[str]:
    """Writes to workloads that arrived when their sender had no lease on a run of that workload."""
    claims, writes = seen(site), _writes(site)
    assert claims, "nobody claimed anything: the play proves nothing"
    assert writes, "nobody wrote anything: the play proves nothing"
    return [wrong for write in writes if (wrong := _judged(site, claims, write)) is not None]


def _writes(site: Site) -> list[Received]:
    """What could change a workload. Events about them may come late."""
    return [one for one in site.world.kubernetes.requests.writes if "/events" not in one.path and one.dry_run is None]


def _judged(site: Site, claims: list[Claim], write: Received) -> str | None:
    sender = site.writer(write.headers.get("Authorization", ""))
    if sender is None:
        return f"{write} at {write.at}: sent by nobody that is known"
    replica, owner = sender
    name = write.path.partition("/deployments/")[2].partition("/")[0]
    held = {claim.run_id: claim for claim in claims if claim.at <= write.at and claim.target.rpartition("/")[2] == name}
    if any(
        claim.owner == owner and claim.lease_until is not None and write.at < claim.lease_until
        for claim in held.values()
    ):
        return None
    last = [claim for claim in claims if claim.target.rpartition("/")[2] == name]
    return f"{write} at {write.at} by {replica.name} ({owner}), which held no lease: {last}"
