"""What on the wire could change something at AWS, whatever the service speaks."""

import pytest
from yarl import URL

from remediator.clients.aws.wire import AwsWire, operation_of
from remediator.clients.wire import Sent

WIRE = AwsWire()
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
EC2 = {
    **FORM,
    "Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20261130/eu-west-1/ec2/aws4_request, SignedHeaders=host",
}
RDS = {
    **FORM,
    "Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20261130/eu-west-1/rds/aws4_request, SignedHeaders=host",
}


def sent(method: str = "POST", path: str = "/", headers: dict[str, str] | None = None, body: str = "") -> Sent:
    return Sent(method, URL(f"http://127.0.0.1{path}"), headers or {}, body.encode())


READS = {
    "query": sent(headers=FORM, body="Action=DescribeDBInstances&Version=2014-10-31"),
    "json": sent(headers={"X-Amz-Target": "AmazonEC2ContainerServiceV20141113.DescribeServices"}),
    "header in lower case": sent(headers={"x-amz-target": "AmazonSSM.ListCommands"}),
    "rest": sent("GET", "/clusters/prod/node-groups/blue"),
    "rest head": sent("HEAD", "/bucket/key"),
    "cbor": sent(path="/service/GraniteServiceVersion20100801/operation/GetMetricData"),
    "a role": sent(headers=FORM, body="Action=AssumeRoleWithWebIdentity&Version=2011-06-15"),
    "what IAM would say": sent(headers=FORM, body="Action=SimulatePrincipalPolicy&Version=2010-05-08"),
}
WRITES = {
    "query": sent(headers=FORM, body="Action=RebootDBInstance&ForceFailover=true"),
    "query in the address": sent("GET", "/?Action=RebootDBInstance"),
    "a reading name beside it": sent(path="/?Action=DescribeDBInstances", headers=FORM, body="Action=RebootDBInstance"),
    "a test that is none": sent(headers=FORM, body="Action=TestFailover"),
    "json": sent(headers={"X-Amz-Target": "AmazonEC2ContainerServiceV20141113.UpdateService"}),
    "rest": sent("POST", "/2013-04-01/hostedzone/Z1/rrset/"),
    "rest put": sent("PUT", "/bucket/key"),
    "cbor": sent(path="/service/GraniteServiceVersion20100801/operation/PutMetricAlarm"),
    "nothing known": sent(),
    "a read beside a write": sent(path="/x/operation/GetMetricData", headers={"X-Amz-Target": "A.UpdateService"}),
}


@pytest.mark.parametrize("request_", READS.values(), ids=READS)
def test_reads(request_: Sent) -> None:
    assert not WIRE.is_write(request_)


@pytest.mark.parametrize("request_", WRITES.values(), ids=WRITES)
def test_writes(request_: Sent) -> None:
    assert WIRE.is_write(request_)
    assert WIRE.not_dry(request_) is not None


def test_only_ec2_heeds_the_mark_of_a_dry_run() -> None:
    body = "Action=RebootInstances&InstanceId.1=i-1&DryRun=true"
    assert WIRE.not_dry(sent(headers=EC2, body=body)) is None
    assert WIRE.not_dry(sent(headers=EC2, body=body.replace("true", "false"))) is not None
    assert WIRE.not_dry(sent(headers=EC2, body=f"{body}&DryRun=false")) is not None
    assert WIRE.not_dry(sent(headers=RDS, body=body)) is not None
    assert WIRE.not_dry(sent(headers=FORM, body=body)) is not None


def test_the_operation_is_told() -> None:
    assert operation_of(WRITES["query"]) == "RebootDBInstance"
    assert operation_of(WRITES["rest"]) is None
