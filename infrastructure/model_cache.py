"""The model cache: a file system, mounted into functions, for models and indexes newer than the image."""

from typing import Final, cast

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_efs as efs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

MOUNT_PATH: Final = "/mnt/hf_models_cache"
OWNER: Final = "1001"
"""User and group that own the models; neither root nor an account of the base image."""


class ModelCache(Construct):
    """An encrypted EFS file system. Its content can be fetched again, so it is deleted with the stack."""

    def __init__(
        self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc, security_group: ec2.ISecurityGroup
    ) -> None:
        super().__init__(scope, construct_id)
        self.file_system = efs.FileSystem(
            self,
            "FileSystem",
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC),
            security_group=security_group,
            encrypted=True,
            enable_automatic_backups=False,
            # Bursting has no extra charge. Its 100 MB/s suffice, because few instances start cold at the same time.
            throughput_mode=efs.ThroughputMode.BURSTING,
            removal_policy=RemovalPolicy.DESTROY,
            # Any policy makes EFS require an IAM identity; False would grant root access to each identity.
            allow_anonymous_access=True,
            file_system_policy=iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(
                        sid="OnlyEncrypted",
                        effect=iam.Effect.DENY,
                        principals=[iam.AnyPrincipal()],
                        actions=["*"],
                        conditions={"Bool": {"aws:SecureTransport": "false"}},
                    )
                ]
            ),
        )
        self.access_point = self.file_system.add_access_point(
            "Models",
            path="/export/models",
            create_acl=efs.Acl(owner_uid=OWNER, owner_gid=OWNER, permissions="750"),
            posix_user=efs.PosixUser(uid=OWNER, gid=OWNER),
        )

    def mount(self, function: lambda_.Function) -> None:
        """Mount the models into a function with permission to read and write them.

        `lambda_.FileSystem` does the same, but with a statement on every file system.
        """
        cast("lambda_.CfnFunction", function.node.default_child).file_system_configs = [
            lambda_.CfnFunction.FileSystemConfigProperty(
                arn=self.access_point.access_point_arn, local_mount_path=MOUNT_PATH
            )
        ]
        function.node.add_dependency(self.file_system.mount_targets_available)
        function.add_to_role_policy(
            iam.PolicyStatement(
                actions=["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
                resources=[
                    Stack.of(self).format_arn(
                        service="elasticfilesystem",
                        resource="file-system",
                        resource_name=self.file_system.file_system_id,
                    )
                ],
                conditions={"StringEquals": {"elasticfilesystem:AccessPointArn": self.access_point.access_point_arn}},
            )
        )
