"""A moto server that emulates AWS on this machine: the port is the one argument.

moto's CloudFormation knows no HTTP APIs, alarms and dashboards, and passes over them. Two of these have an id or an ARN
that other resources ask for; they get one here, and are otherwise not made. Of a function from an image, moto drops the
architecture, command, mount, log group and tracing. It stores no image and runs no function.
"""

import sys
from typing import Any, Self

from moto.cloudformation.parsing import ResourceMap
from moto.core.common_models import CloudFormationModel
from moto.ec2.models.route_tables import RouteTable
from moto.server import main


class Api(CloudFormationModel):
    """An HTTP API that has an id and nothing else."""

    __module__ = "emulator.apigatewayv2"  # moto takes the service's name from here
    physical_resource_id = "emulated"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::ApiGatewayV2::Api"

    @classmethod
    def create_from_cloudformation_json(cls, *_: Any, **__: Any) -> Self:
        return cls()


class Alarm(CloudFormationModel):
    """An alarm that has an ARN and nothing else."""

    __module__ = "emulator.cloudwatch"
    physical_resource_id = "emulated"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::CloudWatch::Alarm"

    @classmethod
    def create_from_cloudformation_json(cls, *_: Any, **__: Any) -> Self:
        return cls()

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return f"{attribute_name} of an emulated alarm"


def delete_route_table(table: RouteTable, *_: str) -> None:
    """Delete a route table, which moto's CloudFormation forgets, and then cannot delete its VPC."""
    for association in list(table._associations):
        table.ec2_backend.disassociate_route_table(association)
    table.ec2_backend.delete_route_table(table.id)


def delete_resources(resources: ResourceMap) -> None:
    """Delete a stack, but not what outlives it by a policy newer than the one that moto's CloudFormation knows."""
    for resource in resources._resource_json_map.values():
        if resource.get("DeletionPolicy") == "RetainExceptOnCreate":
            resource["DeletionPolicy"] = "Retain"
    delete_by_moto(resources)


RouteTable.delete = delete_route_table  # type: ignore[attr-defined]
delete_by_moto = ResourceMap.delete
ResourceMap.delete = delete_resources  # type: ignore[assignment, method-assign]
main(["--host", "localhost", "--port", sys.argv[1]])
