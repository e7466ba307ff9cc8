"""Certificates of ACM: validation records that are put back, and imported ones that are imported anew."""

import base64
from datetime import timedelta
from typing import Any

from remediator.sandbox.aws.acm import Certificate
from remediator.targets import Target
from tests.contract.aws.case import AwsCase, Refusal, Spoil
from tests.support.aws_stage import AwsStage
from tests.support.key_pairs import KeyPair, key_pair

ISSUED, IMPORTED = "7f0c1d2e", "3b9a8c7d"
NAMES = ("shop.example", "*.shop.example", "pay.shop.example")
SECRET = "shop-tls"  # its name


async def issued(stage: AwsStage) -> Target:
    """In use, near its end, its renewal stuck: somebody has removed the records."""
    stage.aws.acm.issued(ISSUED, *NAMES)
    stage.aws.route53.zone("shop.example", id="ZSHOP")
    stage.aws.route53.zone("example")
    stage.aws.route53.zone("shop.example", private=True)
    stage.aws.acm.renew(ISSUED)
    return stage.target("acm-certificate", ISSUED)


def certificate(stage: AwsStage, id: str = ISSUED) -> Certificate:
    found: Certificate = stage.aws.acm.certificates[id]
    return found


def put_record(stage: AwsStage, name: str, value: str | None = None, ttl: int = 300) -> None:
    """The one that ACM wants for this name, or another in its place."""
    record, wanted = certificate(stage).record(name)
    stage.aws.route53.put(
        stage.aws.route53.zones["ZSHOP"],
        {"Name": record, "Type": "CNAME", "TTL": ttl, "ResourceRecords": [{"Value": value or wanted}]},
    )


def restored(stage: AwsStage) -> int:
    """Both are made in one batch: half of it would be wrong."""
    wanted = {certificate(stage).record(name) for name in NAMES}
    records = stage.aws.route53.zones["ZSHOP"].records.values()
    there = {(one["Name"], one["ResourceRecords"][0]["Value"]) for one in records}
    return {0: 0, len(wanted): 1}.get(len(wanted & there), -1)


def _all_there(stage: AwsStage) -> None:
    for name in NAMES:
        put_record(stage, name)


def _another_zone(stage: AwsStage) -> None:
    stage.aws.route53.zone("shop.example")


def _two_zones(stage: AwsStage) -> None:
    stage.aws.route53.zone("pay.shop.example")


def _set(**values: object) -> Spoil:
    def spoil(stage: AwsStage) -> None:
        for key, value in values.items():
            setattr(certificate(stage), key, value)

    return spoil


async def imported(stage: AwsStage) -> Target:
    """Near its end, and a newer one of the same names in a Secret of the cluster."""
    stage.aws.acm.imported(IMPORTED, "shop.example", "www.shop.example")
    await put_secret(stage, newer(stage))
    return stage.target("acm-certificate", IMPORTED)


def newer(stage: AwsStage, *names: str, days: int = 90, **how: Any) -> KeyPair:
    """Valid from now."""
    until = stage.clock.now().replace(microsecond=0) + timedelta(days=days)
    return key_pair(*(names or ("www.shop.example", "shop.example")), until=until, days=days, **how)


async def put_secret(stage: AwsStage, pair: KeyPair, name: str = SECRET) -> None:
    data = {"tls.crt": pair.chain, "tls.key": pair.key}
    await stage.cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": stage.cluster.namespace},
            "type": "kubernetes.io/tls",
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }
    )


def imports(stage: AwsStage) -> int:
    return certificate(stage, IMPORTED).imports


CASES = (
    AwsCase(
        "aws.acm_restore_validation",
        prepare=issued,
        changes=restored,
        write=("route53", "ChangeResourceRecordSets"),
        undoable=True,
        refusals=(
            Refusal("imported", _set(type="IMPORTED"), "imported"),
            Refusal("private", _set(type="PRIVATE"), "not_validated_by_dns"),
            Refusal("expired", _set(status="EXPIRED"), "not_renewable"),
            Refusal("by-mail", _set(method="EMAIL"), "not_validated_by_dns"),
            Refusal("in-no-use", _set(in_use_by=[]), "not_eligible"),
            Refusal("all-there", _all_there, "nothing_missing"),
            Refusal("other-value", lambda stage: put_record(stage, "shop.example", "_x.elsewhere."), "other_record"),
            Refusal("no-zone", lambda stage: stage.aws.route53.zones.clear(), "no_hosted_zone"),
            Refusal("zone-twice", _another_zone, "several_zones"),
            Refusal("two-zones", _two_zones, "several_zones"),
            Refusal("gone", lambda stage: stage.aws.acm.certificates.clear(), "target_not_found"),
        ),
    ),
    AwsCase(
        "aws.acm_reimport",
        prepare=imported,
        changes=imports,
        write=("acm", "ImportCertificate"),
        params={"namespace": "shop", "secret": SECRET},
        refusals=(
            Refusal(
                "issued", lambda stage: setattr(certificate(stage, IMPORTED), "type", "AMAZON_ISSUED"), "not_imported"
            ),
            Refusal("gone", lambda stage: stage.aws.acm.certificates.clear(), "target_not_found"),
        ),
    ),
)
