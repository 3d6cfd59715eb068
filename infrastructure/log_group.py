"""Log groups: all are kept for the same time, and none outlives the stack."""

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct


def make_log_group(scope: Construct, construct_id: str, retention_days: int) -> logs.LogGroup:
    """Make a log group that is deleted with the stack."""
    group = logs.LogGroup(scope, construct_id, removal_policy=RemovalPolicy.DESTROY)
    cast("logs.CfnLogGroup", group.node.default_child).retention_in_days = retention_days
    return group
