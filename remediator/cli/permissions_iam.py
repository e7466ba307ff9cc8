"""``remediator permissions --iam``: the least policy for one account at AWS."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import typer

from remediator.cli.show import fail

if TYPE_CHECKING:
    from remediator.engine.iam_needs import IamNeed
    from remediator.settings import AwsAccount, Settings


def accounts(settings: "Settings", named: str | None, regions: list[str]) -> "Mapping[str, AwsAccount]":
    """Those of settings, or the one that is named; one that settings do not list counts as if all in it may be changed."""
    from pydantic import ValidationError

    from remediator.settings import AwsAccount

    known = settings.accounts
    if named is None:
        if regions:
            fail("--region goes with --account", 2)
        return known
    name = next((one for one, it in known.items() if named in (one, it.id, *it.aliases)), None)
    if name is not None:
        chosen = known[name]
        return {name: chosen.model_copy(update={"regions": tuple(regions)}) if regions else chosen}
    if not regions:
        listed = ", ".join(known) or "none"
        fail(f"settings list no account {named}, so --region is needed as well; they list: {listed}", 2)
    try:
        return {named: AwsAccount(id=named, regions=tuple(regions), targets=("*/*",))}
    except ValidationError:
        fail("--account is twelve digits or a name that settings list, --region one such as eu-central-1", 2)


def print_policy(needs: "Iterable[IamNeed]", known: "Mapping[str, AwsAccount]", *, role: str) -> None:
    """The document goes to stdout, what is to be known about it to stderr."""
    import json

    from remediator.engine.iam_needs import partition_of
    from remediator.engine.iam_policy import MOST_CHARACTERS, policy

    if not known:
        fail("settings list no account: give --account and --region, or --config with accounts.<name>", 2)
    if len(known) > 1:
        fail(f"a policy is for one account: choose it by --account; settings list {', '.join(sorted(known))}", 2)
    [account] = known.values()
    arn = account.role_arn or f"arn:{partition_of(account.regions[0])}:iam::{account.id}:role/{role}"
    made = policy(needs, simulate=arn)
    typer.echo(json.dumps(made, indent=2))
    size = len(json.dumps(made, separators=(",", ":")))
    if size > MOST_CHARACTERS:
        typer.echo(
            f"note: this is {size} characters, and a managed policy holds {MOST_CHARACTERS}: print one for each half of the playbooks",
            err=True,
        )
    if account.role_arn is not None:
        typer.echo(f"note: who assumes {arn} needs sts:AssumeRole on it, and its trust must name them", err=True)


def as_plain(need: "IamNeed") -> dict[str, Any]:
    """For programs."""
    return {
        "account": need.account,
        "region": need.region,
        "action": need.permission.action,
        "resource": need.resource,
        "writes": need.permission.writes,
        "playbooks": list(need.playbooks),
    }
