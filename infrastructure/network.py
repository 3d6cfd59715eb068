"""The network: a public subnet without inbound access, from which only the model cache and S3 are reachable."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

HTTPS_PORT = 443


class Network(Construct):
    """A VPC in one availability zone, without a NAT gateway, which would cost more than the rest of an idle stack.

    A Lambda function in it has no public address and therefore no internet access. It reaches S3 through a gateway
    endpoint, which is free.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr("10.0.0.0/16"),
            max_azs=1,
            nat_gateways=0,
            # The default security group is unused. Restricting it would add a function with permissions of its own.
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24, map_public_ip_on_launch=False
                )
            ],
        )
        self.s3_endpoint = self.vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        self.functions_group = ec2.SecurityGroup(
            self,
            "FunctionsGroup",
            vpc=self.vpc,
            description="Lambda functions: to the model cache and to S3; nothing in",
            allow_all_outbound=False,
        )
        self.cache_group = ec2.SecurityGroup(
            self,
            "CacheGroup",
            vpc=self.vpc,
            description="Model cache: NFS from the Lambda functions; nothing out",
            allow_all_outbound=False,
        )
        self.functions_group.connections.allow_to(self.cache_group, ec2.Port.NFS, "models")
        # The id of S3's prefix list is only known by a lookup in the account. The endpoint's policy limits access to
        # the bucket, and no other route leads out.
        self.functions_group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(HTTPS_PORT), "S3, by its endpoint")
