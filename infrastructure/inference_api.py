"""The inference API: an HTTP API with a route per script and per alias."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_apigatewayv2_alpha as apigateway
from aws_cdk import aws_apigatewayv2_integrations_alpha as integrations
from aws_cdk import aws_lambda as lambda_
from aws_cdk.aws_apigatewayv2 import CfnStage
from constructs import Construct

from incidents.http.routes import CORS_HEADERS, METHODS
from infrastructure.log_group import make_log_group
from infrastructure.settings import Settings

if TYPE_CHECKING:
    from aws_cdk.aws_apigatewayv2 import CfnRoute

ACCESS_LOG: Final = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "route": "$context.routeKey",
    "status": "$context.status",
    "latencyMilliseconds": "$context.responseLatency",
    "integrationStatus": "$context.integrationStatus",
    "error": "$context.error.message",
    "integrationError": "$context.integrationErrorMessage",
}
"""The access log's fields. They hold neither the text of a request nor its sender."""


class InferenceApi(Construct):
    """The HTTP API, its routes and its only stage.

    No other file imports the alpha module, so replacing it by aws_cdk.aws_apigatewayv2, with the same names, is local.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: Mapping[str, lambda_.DockerImageFunction],
        routes: Mapping[str, str],
        settings: Settings,
    ) -> None:
        super().__init__(scope, construct_id)
        api = apigateway.HttpApi(
            self,
            "HttpApi",
            api_name=Stack.of(self).stack_name,
            description="Similar incidents: which known AI incidents a text resembles",
            create_default_stage=False,
            cors_preflight=apigateway.CorsPreflightOptions(
                allow_credentials=True,
                allow_headers=list(CORS_HEADERS),
                allow_methods=[apigateway.CorsHttpMethod[method] for method in METHODS],
                allow_origins=list(settings.cors_allow_origins),
            ),
        )
        self.id = api.api_id
        calls = {
            script: integrations.HttpLambdaIntegration(
                script.capitalize(), function, payload_format_version=apigateway.PayloadFormatVersion.VERSION_2_0
            )
            for script, function in functions.items()
        }
        methods = [apigateway.HttpMethod[method] for method in METHODS]
        for path, script in routes.items():
            for route in api.add_routes(path=path, methods=methods, integration=calls[script]):
                if settings.iam_authorization:
                    cast("CfnRoute", route.node.default_child).authorization_type = "AWS_IAM"
        stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=api,
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(
                rate_limit=settings.throttle_requests_per_second, burst_limit=settings.throttle_burst_requests
            ),
        )
        self.url = stage.url
        access_logs = make_log_group(self, "AccessLogs", settings.log_retention_days)
        cast("CfnStage", stage.node.default_child).access_log_settings = CfnStage.AccessLogSettingsProperty(
            # Not `log_group_arn`: API Gateway drops its trailing `:*`, so the stage would always appear as drifted.
            destination_arn=Stack.of(self).format_arn(
                service="logs",
                resource="log-group",
                resource_name=access_logs.log_group_name,
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            ),
            format=json.dumps(ACCESS_LOG),
        )
