"""Every setting: it changes the values in the template that it names, and no others."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest

from infrastructure.settings import Settings
from support.template import Template, changes

MODEL = ("Functions/Embed/Function", "Functions/Similar/Function")
LIGHT = ("Functions/[IP]*/Function",)
ALL = ("Functions/*/Function",)
ANY = object()
"""A value that the tests of the construct check."""


def of(paths: tuple[str, ...], name: str, value: Any) -> dict[str, Any]:
    return {f"{path}:Properties.{name}": value for path in paths}


def variable(name: str, value: object) -> dict[str, Any]:
    return of(ALL, f"Environment.Variables.{name}", value)


ALARMS = ("Monitoring/*",)
POLICY = "PolicyDocument.Statement.*"
TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms"
READERS = ("Functions/*/Role/DefaultPolicy", "Network/Vpc/S3")
PUBLISHER = "arn:aws:iam::123456789012:role/refresh"

SETTINGS: list[tuple[str, str, dict[str, Any]]] = [
    ("AVAILABILITY_ZONE", "us-east-1c", {"Network/Vpc/PublicSubnet1/Subnet:Properties.AvailabilityZone*": ANY}),
    ("ARCHITECTURE", "arm64", of(ALL, "Architectures.0", "arm64") | of(ALL, "Code.ImageUri", ANY)),
    ("LAMBDA_MEMORY_MB", "3008", of(MODEL, "MemorySize", 3008)),
    ("LAMBDA_TIMEOUT_SECONDS", "60", of(MODEL, "Timeout", 60)),
    ("LIGHT_LAMBDA_MEMORY_MB", "512", of(LIGHT, "MemorySize", 512)),
    ("LIGHT_LAMBDA_TIMEOUT_SECONDS", "10", of(LIGHT, "Timeout", 10)),
    ("RESERVED_CONCURRENCY", "5", of(MODEL, "ReservedConcurrentExecutions", 5)),
    ("THROTTLE_REQUESTS_PER_SECOND", "3", of(("InferenceApi/Stage",), "DefaultRouteSettings.ThrottlingRateLimit", 3)),
    ("THROTTLE_BURST_REQUESTS", "7", of(("InferenceApi/Stage",), "DefaultRouteSettings.ThrottlingBurstLimit", 7)),
    ("KEEP_WARM_MINUTES", "5", {"Functions/KeepWarm:*": ANY, "Functions/KeepWarm/*": ANY}),
    ("IAM_AUTHORIZATION", "true", of(("InferenceApi/HttpApi/*",), "AuthorizationType", "AWS_IAM")),
    (
        "CORS_ALLOW_ORIGINS",
        "http://localhost:3000,https://example.org",
        of(("InferenceApi/HttpApi",), "CorsConfiguration.AllowOrigins.1", "https://example.org"),
    ),
    ("LOG_RETENTION_DAYS", "7", of(("*/Logs", "*/AccessLogs"), "RetentionInDays", 7)),
    (
        "INDEX_STALE_DAYS",
        "7",
        of(("Monitoring/StaleIndex",), "Threshold", 7 * 86_400)
        | of(("Monitoring/StaleIndex",), "AlarmDescription", ANY),
    ),
    (
        "OLD_INDEX_DAYS",
        "90",
        of(("IndexStore/Bucket",), "LifecycleConfiguration.Rules.0.NoncurrentVersionExpiration.NoncurrentDays", 90),
    ),
    ("INDEX_PUBLISHER_ARN", PUBLISHER, of(("IndexStore/Bucket/Policy",), POLICY, ANY)),
    ("ALARM_TOPIC_ARN", TOPIC, of(ALARMS, "AlarmActions.0", TOPIC) | of(ALARMS, "OKActions.0", TOPIC)),
    (
        "HF_MODEL_URI",
        "a/b",
        variable("HF_MODEL_URI", "a/b") | of(READERS, f"{POLICY}.Resource.1", "<IndexStore/Bucket>.Arn/models/a/b/*"),
    ),
    ("INDEX_REFRESH_SECONDS", "60", variable("INDEX_REFRESH_SECONDS", "60")),
    ("MAX_TEXT_CHARACTERS", "1000", variable("MAX_TEXT_CHARACTERS", "1000")),
]


@pytest.mark.parametrize(("key", "value", "expected"), SETTINGS, ids=[key for key, _, _ in SETTINGS])
def test_a_setting_changes_only_the_values_that_it_names(
    synthesize: Callable[..., Template], template: Template, key: str, value: str, expected: dict[str, Any]
) -> None:
    changed = changes(template, synthesize(**{key: value}))
    for path, after in changed.items():
        meant = [wanted for pattern, wanted in expected.items() if fnmatchcase(path, pattern)]
        assert meant, f"{path} is now {after!r}"
        assert meant[0] is ANY or after == meant[0], path
    for pattern in expected:
        assert any(fnmatchcase(path, pattern) for path in changed), f"nothing changed at {pattern}"


def test_every_setting_is_tested() -> None:
    elsewhere = {"CDK_DEPLOY_ACCOUNT", "CDK_DEPLOY_REGION"}  # see test_network
    assert {name.upper() for name in Settings.model_fields} == {key for key, _, _ in SETTINGS} | elsewhere


def test_the_same_settings_give_the_same_template(synthesize: Callable[..., Template], template: Template) -> None:
    assert changes(template, synthesize(LAMBDA_MEMORY_MB="8096", KEEP_WARM_MINUTES="0")) == {}
