"""A moto server that emulates AWS on this machine; its only argument is the port.

moto's CloudFormation skips HTTP APIs, alarms and dashboards. Other resources refer to the id of the API and the ARNs of
the alarms, so the classes below supply those and nothing else. For a function that runs an image, moto drops the
architecture, command, mount, log group and tracing. It stores no image and runs no function.
"""

import sys
from typing import Any, Self

from moto.cloudformation.parsing import ResourceMap
from moto.core.common_models import CloudFormationModel
from moto.ec2.models.route_tables import RouteTable
from moto.server import main


class Api(CloudFormationModel):
    """An HTTP API with only an id."""

    __module__ = "emulator.apigatewayv2"  # moto derives the service's name from this
    physical_resource_id = "emulated"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::ApiGatewayV2::Api"

    @classmethod
    def create_from_cloudformation_json(cls, *_: Any, **__: Any) -> Self:
        return cls()


class Alarm(CloudFormationModel):
    """An alarm with only an ARN."""

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
    """Delete a route table. moto's CloudFormation leaves it behind and then fails to delete its VPC."""
    for association in list(table._associations):  # noqa: SLF001
        table.ec2_backend.disassociate_route_table(association)
    table.ec2_backend.delete_route_table(table.id)


def delete_resources(resources: ResourceMap) -> None:
    """Delete a stack, but keep resources with the policy RetainExceptOnCreate, which moto does not know."""
    for resource in resources._resource_json_map.values():  # noqa: SLF001
        if resource.get("DeletionPolicy") == "RetainExceptOnCreate":
            resource["DeletionPolicy"] = "Retain"
    delete_by_moto(resources)


RouteTable.delete = delete_route_table  # type: ignore[attr-defined]
delete_by_moto = ResourceMap.delete
ResourceMap.delete = delete_resources  # type: ignore[assignment, method-assign]
main(["--host", "localhost", "--port", sys.argv[1]])
