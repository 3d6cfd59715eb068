"""The network: no inbound access, two outbound destinations."""

from collections.abc import Callable

import pytest

from support.template import Template


def test_the_network_is_one_public_subnet_in_one_zone(template: Template) -> None:
    assert template.only("AWS::EC2::VPC")["CidrBlock"] == "10.0.0.0/16"
    subnet = template.only("AWS::EC2::Subnet")
    assert subnet["AvailabilityZone"] == {"Fn::Select": [0, {"Fn::GetAZs": ""}]}
    assert subnet["MapPublicIpOnLaunch"] is False
    assert template.meant(template.only("AWS::EC2::Route")["GatewayId"]) == "<Network/Vpc/IGW>"


@pytest.mark.parametrize("kind", ["AWS::EC2::NatGateway", "AWS::EC2::EIP", "AWS::EC2::Instance"])
def test_no_resource_is_billed_by_the_hour(template: Template, kind: str) -> None:
    assert not template.all(kind)


def test_the_zone_can_be_chosen(synthesize: Callable[..., Template]) -> None:
    subnet = synthesize(AVAILABILITY_ZONE="us-east-1c").only("AWS::EC2::Subnet")
    assert subnet["AvailabilityZone"] == "us-east-1c"


def test_the_gateway_endpoint_only_allows_reading_the_index_and_the_model(template: Template) -> None:
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


def test_only_nfs_from_the_functions_is_allowed_in(template: Template) -> None:
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


def test_no_traffic_leaves_the_cache(template: Template) -> None:
    (egress,) = template.only("AWS::EC2::SecurityGroup", "Network/CacheGroup")["SecurityGroupEgress"]
    assert egress["CidrIp"] == "255.255.255.255/32"  # a group without rules would allow all outbound traffic


def test_account_and_region_only_replace_their_placeholders(
    synthesize: Callable[..., Template], template: Template
) -> None:
    def written(value: object) -> object:
        if not isinstance(value, str):
            return value
        value = value.replace("<AWS::AccountId>", "123456789012").replace("<AWS::Region>", "eu-west-1")
        return value.replace("<AWS::Partition>", "aws")

    named = synthesize(CDK_DEPLOY_ACCOUNT="123456789012", CDK_DEPLOY_REGION="eu-west-1").leaves()
    assert named != template.leaves()
    assert {path: written(value) for path, value in named.items()} == {
        path: written(value) for path, value in template.leaves().items()
    }
