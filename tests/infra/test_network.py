"""The network: nothing comes in, and only two ways lead out."""

from collections.abc import Callable

import pytest

from support.template import Template


def test_there_is_one_public_subnet_in_one_zone(template: Template) -> None:
    assert template.only("AWS::EC2::VPC")["CidrBlock"] == "10.0.0.0/16"
    subnet = template.only("AWS::EC2::Subnet")
    assert subnet["AvailabilityZone"] == {"Fn::Select": [0, {"Fn::GetAZs": ""}]}
    assert subnet["MapPublicIpOnLaunch"] is False
    assert template.meant(template.only("AWS::EC2::Route")["GatewayId"]) == "<Network/Vpc/IGW>"


@pytest.mark.parametrize("kind", ["AWS::EC2::NatGateway", "AWS::EC2::EIP", "AWS::EC2::Instance"])
def test_there_is_nothing_that_costs_by_the_hour(template: Template, kind: str) -> None:
    assert not template.all(kind)


def test_the_zone_can_be_chosen(synthesise: Callable[..., Template]) -> None:
    subnet = synthesise(AVAILABILITY_ZONE="us-east-1c").only("AWS::EC2::Subnet")
    assert subnet["AvailabilityZone"] == "us-east-1c"


def test_the_gateway_endpoint_leads_to_what_is_published_and_nowhere_else(template: Template) -> None:
    endpoint = template.meant(template.only("AWS::EC2::VPCEndpoint"))
    assert endpoint["VpcEndpointType"] == "Gateway"
    assert endpoint["ServiceName"] == "com.amazonaws.<AWS::Region>.s3"
    assert [(each["Effect"], each["Action"], each["Resource"]) for each in endpoint["PolicyDocument"]["Statement"]] == [
        (
            "Allow",
            ["s3:GetObject", "s3:GetObjectVersion"],
            [
                "<IndexStore/Bucket>.Arn/incident_cls.pt",
                "<IndexStore/Bucket>.Arn/models/allenai/longformer-base-4096/*",
            ],
        ),
        ("Allow", "s3:ListBucket", "<IndexStore/Bucket>.Arn"),
    ]


def test_nothing_comes_in_but_nfs_from_the_functions(template: Template) -> None:
    for group in template.all("AWS::EC2::SecurityGroup").values():
        assert "SecurityGroupIngress" not in group
    ingress = template.meant(template.only("AWS::EC2::SecurityGroupIngress"))
    assert ingress["GroupId"] == "<Network/CacheGroup>.GroupId"
    assert ingress["SourceSecurityGroupId"] == "<Network/FunctionsGroup>.GroupId"
    assert (ingress["IpProtocol"], ingress["FromPort"], ingress["ToPort"]) == ("tcp", 2049, 2049)


def test_the_functions_reach_the_cache_by_nfs_and_s3_by_https(template: Template) -> None:
    egress = template.meant(template.only("AWS::EC2::SecurityGroupEgress"))
    assert egress["GroupId"] == "<Network/FunctionsGroup>.GroupId"
    assert egress["DestinationSecurityGroupId"] == "<Network/CacheGroup>.GroupId"
    assert (egress["IpProtocol"], egress["FromPort"], egress["ToPort"]) == ("tcp", 2049, 2049)
    (https,) = template.only("AWS::EC2::SecurityGroup", "Network/FunctionsGroup")["SecurityGroupEgress"]
    assert (https["IpProtocol"], https["FromPort"], https["ToPort"]) == ("tcp", 443, 443)


def test_nothing_leaves_the_cache(template: Template) -> None:
    (egress,) = template.only("AWS::EC2::SecurityGroup", "Network/CacheGroup")["SecurityGroupEgress"]
    assert egress["CidrIp"] == "255.255.255.255/32"  # a group without a rule would let everything out


def test_an_account_and_a_region_are_only_written_out(synthesise: Callable[..., Template], template: Template) -> None:
    def written(value: object) -> object:
        if not isinstance(value, str):
            return value
        value = value.replace("<AWS::AccountId>", "123456789012").replace("<AWS::Region>", "eu-west-1")
        return value.replace("<AWS::Partition>", "aws")

    named = synthesise(CDK_DEPLOY_ACCOUNT="123456789012", CDK_DEPLOY_REGION="eu-west-1").leaves()
    assert named != template.leaves()
    assert {path: written(value) for path, value in named.items()} == {
        path: written(value) for path, value in template.leaves().items()
    }
