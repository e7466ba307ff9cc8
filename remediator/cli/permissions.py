"""``remediator permissions``: what the playbooks need of Kubernetes and of AWS."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from remediator.cli.check import load
from remediator.cli.options import ConfigOption, Output, OutputOption, config_or_default
from remediator.cli.show import as_json, fail, fail_each, line

if TYPE_CHECKING:
    from remediator.engine.needs import Need
    from remediator.engine.rbac import Manifest
    from remediator.settings import Cluster, Settings


def permissions(
    path: Annotated[
        Path | None, typer.Argument(help="directory of playbooks, or one file; by default the one that settings name")
    ] = None,
    rbac: Annotated[bool, typer.Option("--rbac", help="as manifests for kubectl apply")] = False,
    iam: Annotated[bool, typer.Option("--iam", help="as a policy of AWS IAM")] = False,
    namespace: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", help="instead of those that settings list; may be given several times"),
    ] = None,
    nodes: Annotated[bool, typer.Option("--nodes", help="with --namespace: also for work on nodes")] = False,
    commands: Annotated[
        bool, typer.Option("--commands", help="with --namespace: also for running playbooks' commands in pods")
    ] = False,
    cluster: Annotated[
        str | None, typer.Option("--cluster", help="only for this cluster of settings; its name or an alias")
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="enough at the levels observe and propose, where nothing is done")
    ] = False,
    account: Annotated[str, typer.Option("--service-account", help="whom remediator runs as")] = "remediator",
    role_name: Annotated[
        str | None,
        typer.Option(
            "--role-name",
            help="for roles beside others of the same account, which is then not printed; with --iam: the role at AWS",
        ),
    ] = None,
    aws_account: Annotated[
        str | None,
        typer.Option("--account", help="only for this AWS account: a name that settings list, or twelve digits"),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option("--region", help="with --account: instead of its regions in settings; may be given several times"),
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Print the least permissions that these playbooks need where settings let them act; with --rbac as manifests, with --iam as a
    policy.

    Example: remediator permissions playbooks --rbac --namespace shop > rbac.yaml
    """
    import os

    from remediator.cli.permissions_iam import accounts, as_plain, print_policy
    from remediator.engine.iam_needs import iam_needs
    from remediator.engine.needs import needs, needs_of_watcher
    from remediator.engine.rbac import manifests
    from remediator.errors import RemediatorError
    from remediator.settings import load_settings

    try:
        settings = load_settings(config_or_default(config), os.environ)
        loaded = load(path or settings.playbooks, settings)
    except RemediatorError as error:
        fail_each(error)
    if rbac and iam:
        fail("--rbac and --iam are two documents: print one at a time", 2)
    known = accounts(settings, aws_account, region or [])
    of_aws = [one for one in iam_needs(loaded.playbooks, known) if not (read_only and one.to_act)]
    if iam:
        print_policy(of_aws, known, role=role_name or account)
        return
    chosen = _clusters(settings, cluster, namespace or [], nodes=nodes, commands=commands, needed=rbac or not known)
    found = (*needs(loaded.playbooks, chosen), *needs_of_watcher(settings.certificates, chosen))
    wanted = [one for one in found if not (read_only and one.to_act)]
    if not rbac:
        _list([*map(_json, wanted), *map(as_plain, of_aws)], [*map(str, wanted), *map(str, of_aws)], output)
        return
    if len(chosen) > 1:
        fail(f"manifests are for one cluster: choose it by --cluster; settings list {', '.join(sorted(chosen))}", 2)
    made = manifests(wanted, account=account, namespace=settings.own_namespace or "remediator", name=role_name)
    _print(made, output)


def _clusters(
    settings: "Settings", named: str | None, namespaces: list[str], *, nodes: bool, commands: bool, needed: bool
) -> "Mapping[str, Cluster]":
    from pydantic import ValidationError

    from remediator.settings import Cluster

    chosen: Mapping[str, Cluster] = settings.clusters
    if named is not None:
        known = settings.cluster_named(named)
        if known is None:
            fail(f"settings list no cluster {named}; they list: {', '.join(sorted(chosen)) or 'none'}", 2)
        chosen = {known: chosen[known]}
    if namespaces:
        try:
            given = Cluster(namespaces=tuple(namespaces), nodes=nodes, commands=commands)
        except ValidationError:
            fail("--namespace must be lower case letters, digits and '-'", 2)
        return dict.fromkeys(chosen or {named or "kubernetes": given}, given)
    for word, asked in (("nodes", nodes), ("commands", commands)):
        if asked:
            fail(f"--{word} goes with --namespace; without it settings say (clusters.<name>.{word})", 2)
    if needed and not any(one.namespaces or one.nodes for one in chosen.values()):
        fail("settings let nothing be changed: give --namespace, or --config with clusters.<name>.namespaces", 2)
    return chosen


def _list(documents: list[dict[str, Any]], told: list[str], output: Output) -> None:
    if output is Output.JSON:
        as_json(documents)
        return
    for one in told:
        line(one)


def _print(made: "list[Manifest]", output: Output) -> None:
    if output is Output.JSON:
        as_json({"apiVersion": "v1", "kind": "List", "items": made})
        return
    import yaml

    typer.echo("# Made by `remediator permissions --rbac`. Make it anew when playbooks or namespaces change.")
    typer.echo(yaml.dump_all(made, Dumper=_plain_dumper(), sort_keys=False, explicit_start=True), nl=False)


def _plain_dumper() -> Any:
    """Without anchors: manifests that share a part are to be read, and edited, one by one."""
    import yaml

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            del data
            return True

    return Plain


def _json(need: "Need") -> dict[str, Any]:
    return {
        "cluster": need.cluster,
        "namespace": need.namespace,
        "group": need.permission.group,
        "resource": need.permission.resource,
        "verb": need.permission.verb,
        "writes": need.permission.writes,
        "optional": need.optional,
        "playbooks": list(need.playbooks),
    }
