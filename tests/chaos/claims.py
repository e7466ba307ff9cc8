"""Who held which run when, written down by the database itself, and whether every write to the world (S20) and to the journal
(engine.md 4) was covered by it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from remediator.sandbox.journal import Received
from tests.chaos.site import Site
from tests.crash.databases import PostgresDatabase

_WATCH = """
CREATE TABLE claims_seen (
    at timestamptz NOT NULL, run_id text NOT NULL, target text NOT NULL, owner text, fence bigint NOT NULL, lease_until bigint
);
CREATE FUNCTION see_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO claims_seen VALUES (clock_timestamp(), NEW.id, NEW.target, NEW.owner, NEW.fence, NEW.lease_until);
    RETURN NULL;
END $$;
CREATE TRIGGER see_claims AFTER UPDATE ON runs FOR EACH ROW
    WHEN ((OLD.owner, OLD.fence, OLD.lease_until) IS DISTINCT FROM (NEW.owner, NEW.fence, NEW.lease_until))
    EXECUTE FUNCTION see_claim();

CREATE TABLE writes_seen (at timestamptz NOT NULL, what text NOT NULL, run_id text NOT NULL, owner text NOT NULL, port integer);
CREATE FUNCTION see_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO writes_seen VALUES (clock_timestamp(), 'run', NEW.id, OLD.owner, inet_client_port());
    RETURN NULL;
END $$;
CREATE TRIGGER see_moves AFTER UPDATE ON runs FOR EACH ROW
    WHEN (OLD.owner IS NOT NULL AND OLD.fence = NEW.fence AND OLD.cursor IS DISTINCT FROM NEW.cursor)
    EXECUTE FUNCTION see_move();
CREATE FUNCTION see_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO writes_seen SELECT clock_timestamp(), 'journal', id, owner, inet_client_port()
        FROM runs WHERE id = NEW.run_id AND owner IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER see_steps AFTER INSERT OR UPDATE ON journal FOR EACH ROW EXECUTE FUNCTION see_step();
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
    """From now on every change of a claim, and every write of whoever works on a run, is written down in the transaction that makes
    it. The tables must be there."""
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


def late_journal(site: Site) -> list[str]:
    """Writes about a run that another replica than its owner committed."""
    writes = site.rows("SELECT * FROM writes_seen ORDER BY at")
    assert writes, "nobody wrote a journal: the play proves nothing"
    owners = {replica.name: {victim.owner for victim in replica.victims} for replica in site.replicas}
    wrong = []
    for write in writes:
        writer = next((one.name for one in site.replicas if write["port"] in one.ways["store"].ports), "nobody known")
        if write["owner"] not in owners.get(writer, ()):
            wrong.append(f"{writer} wrote about a run of another: {write}")
    return wrong


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
