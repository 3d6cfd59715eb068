"""The Lambda functions: one per script, all from the same image."""

from pathlib import Path
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from incidents.http.routes import script_names
from infrastructure.log_group import make_log_group
from infrastructure.settings import Settings

LIGHT_SCRIPTS: Final = frozenset({"info", "page"})
"""Scripts that never run the model; all others get the memory and time that the model needs."""

STATIC_SCRIPTS: Final = frozenset({"page"})
"""Scripts that read neither model nor index, and get no access to them."""

WARMING_EVENT: Final = {"text": "warm"}
"""A direct invocation with a text, which makes a function load the model; the answer is discarded."""


class Functions(Construct):
    """The image, and per script a function with its own role and log group."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        security_group: ec2.ISecurityGroup,
        image_folder: Path,
        environment: dict[str, str],
        settings: Settings,
    ) -> None:
        super().__init__(scope, construct_id)
        self._vpc = vpc
        self._security_group = security_group
        self._environment = environment
        self._settings = settings
        self._arm = settings.architecture == "arm64"
        self._image = ecr_assets.DockerImageAsset(
            self,
            "Image",
            directory=str(image_folder),
            platform=ecr_assets.Platform.LINUX_ARM64 if self._arm else ecr_assets.Platform.LINUX_AMD64,
        )
        self.by_script = {script: self._function(script) for script in script_names(image_folder)}
        if settings.keep_warm_minutes:
            self._keep_warm(settings.keep_warm_minutes)

    def _function(self, script: str) -> lambda_.DockerImageFunction:
        settings, light = self._settings, script in LIGHT_SCRIPTS
        scope = Construct(self, script.capitalize())
        log_group = make_log_group(scope, "Logs", settings.log_retention_days)
        role = iam.Role(
            scope,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"What the Lambda function of inference/{script}.py may do",
        )
        log_group.grant_write(role)
        # Lambda requires these of a function in a VPC. It creates the interfaces later, so no ARN can be named.
        role.add_to_policy(
            iam.PolicyStatement(
                sid="NetworkInterfaces",
                actions=[
                    "ec2:AssignPrivateIpAddresses",
                    "ec2:CreateNetworkInterface",
                    "ec2:DeleteNetworkInterface",
                    "ec2:DescribeNetworkInterfaces",
                    "ec2:DescribeSubnets",
                    "ec2:UnassignPrivateIpAddresses",
                ],
                resources=["*"],
            )
        )
        return lambda_.DockerImageFunction(
            scope,
            "Function",
            description=f"inference/{script}.py",
            code=lambda_.DockerImageCode.from_ecr(
                self._image.repository, tag_or_digest=self._image.image_tag, cmd=[f"{script}.handler"]
            ),
            architecture=lambda_.Architecture.ARM_64 if self._arm else lambda_.Architecture.X86_64,
            memory_size=settings.light_lambda_memory_mb if light else settings.lambda_memory_mb,
            timeout=Duration.seconds(
                settings.light_lambda_timeout_seconds if light else settings.lambda_timeout_seconds
            ),
            reserved_concurrent_executions=None if light else settings.reserved_concurrency,
            environment=self._environment,
            role=role,
            vpc=self._vpc,
            allow_public_subnet=True,  # the function gets no public address and needs none
            security_groups=[self._security_group],
            tracing=lambda_.Tracing.ACTIVE,
            log_group=log_group,
        )

    def _keep_warm(self, minutes: int) -> None:
        events.Rule(
            self,
            "KeepWarm",
            description="Keep an instance of each function that runs the model loaded",
            schedule=events.Schedule.rate(Duration.minutes(minutes)),
            targets=[
                targets.LambdaFunction(
                    function, event=events.RuleTargetInput.from_object(WARMING_EVENT), retry_attempts=0
                )
                for script, function in self.by_script.items()
                if script not in LIGHT_SCRIPTS
            ],
        )
