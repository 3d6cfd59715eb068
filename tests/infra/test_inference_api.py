"""The HTTP API: its routes, its callers and its access log."""

import json
from collections.abc import Callable

import pytest

from incidents.http.routes import ALIASES, METHODS, script_names
from support.template import Template


def answered_by(template: Template) -> dict[str, str]:
    """Return the path of the function behind every route key."""
    integrations = template.all("AWS::ApiGatewayV2::Integration")
    found = {}
    for route in template.all("AWS::ApiGatewayV2::Route").values():
        path = template.meant(route["Target"]).removeprefix("integrations/<").removesuffix(">")
        found[route["RouteKey"]] = template.meant(integrations[path]["IntegrationUri"])
    return found


def test_every_script_and_every_alias_has_a_route_per_method(template: Template) -> None:
    paths = {f"/{script}": script for script in script_names()} | ALIASES
    assert METHODS == ("GET", "POST")
    assert answered_by(template) == {
        f"{method} {path}": f"<Functions/{script.capitalize()}/Function>.Arn"
        for path, script in paths.items()
        for method in ("GET", "POST")
    }


def test_the_routes_of_the_contract_exist(template: Template) -> None:
    expected = {
        "/similar": "Similar",
        "/text-to-db-similar": "Similar",
        "/embed-to-db-similar": "Similar",
        "/embed": "Embed",
        "/text-to-embed": "Embed",
        "/": "Page",
    }
    found = answered_by(template)
    for path, function in expected.items():
        assert found[f"GET {path}"] == found[f"POST {path}"] == f"<Functions/{function}/Function>.Arn"


def test_every_function_has_one_proxy_integration(template: Template) -> None:
    integrations = template.all("AWS::ApiGatewayV2::Integration").values()
    assert {template.meant(each["IntegrationUri"]) for each in integrations} == {
        f"<{path}>.Arn" for path in template.all("AWS::Lambda::Function")
    }
    assert len(integrations) == len(script_names())
    for integration in integrations:
        assert (integration["IntegrationType"], integration["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")


def test_only_the_api_may_call_a_function_and_only_for_its_routes(template: Template) -> None:
    permissions = template.meant(list(template.all("AWS::Lambda::Permission").values()))
    assert {each["Principal"] for each in permissions} == {"apigateway.amazonaws.com"}
    allowed = {(each["FunctionName"], each["SourceArn"].split("<InferenceApi/HttpApi>")[1]) for each in permissions}
    assert allowed == {(uri, f"/*/*{key.split()[1]}") for key, uri in answered_by(template).items()}


def test_the_configured_origins_may_call_from_a_browser(template: Template) -> None:
    assert template.only("AWS::ApiGatewayV2::Api")["CorsConfiguration"] == {
        "AllowCredentials": True,
        "AllowHeaders": ["Content-Type", "X-Amz-Date", "Authorization", "X-Api-Key"],
        "AllowMethods": ["GET", "POST"],
        "AllowOrigins": ["http://localhost:3000", "https://incidentdatabase.ai"],
    }


def test_the_only_stage_throttles_and_deploys_automatically(template: Template) -> None:
    stage = template.only("AWS::ApiGatewayV2::Stage")
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    assert stage["DefaultRouteSettings"] == {"ThrottlingBurstLimit": 20, "ThrottlingRateLimit": 10}


def test_the_access_log_holds_neither_the_request_nor_its_sender(template: Template) -> None:
    logging = template.meant(template.only("AWS::ApiGatewayV2::Stage")["AccessLogSettings"])
    assert logging["DestinationArn"].endswith(":log-group:<InferenceApi/AccessLogs>")
    assert template.only("AWS::Logs::LogGroup", "InferenceApi/AccessLogs")["RetentionInDays"] == 30
    logged = set(json.loads(logging["Format"]).values())
    assert {"$context.requestId", "$context.routeKey", "$context.status", "$context.responseLatency"} <= logged
    assert not {"$context.path", "$context.identity.sourceIp", "$context.identity.userAgent"} & logged


@pytest.mark.parametrize(("setting", "kind"), [("false", "NONE"), ("true", "AWS_IAM")])
def test_either_all_routes_are_public_or_all_require_a_signature(
    synthesize: Callable[..., Template], setting: str, kind: str
) -> None:
    routes = synthesize(IAM_AUTHORIZATION=setting).all("AWS::ApiGatewayV2::Route").values()
    assert {route["AuthorizationType"] for route in routes} == {kind}


def test_the_outputs_are_the_url_and_the_bucket(template: Template) -> None:
    outputs = {key: template.meant(output["Value"]) for key, output in template.content["Outputs"].items()}
    assert outputs == {
        "apiUrl": "https://<InferenceApi/HttpApi>.execute-api.<AWS::Region>.<AWS::URLSuffix>/",
        "indexBucket": "<IndexStore/Bucket>",
    }
