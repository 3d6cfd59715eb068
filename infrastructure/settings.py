"""What the stack reads from the environment or `.env`, once; without the CDK, as the local server reads it too."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

LOG_RETENTION_DAYS: Final = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557,
                             2922, 3288, 3653)  # fmt: skip
"""The days for which CloudWatch can keep logs."""

ARN: Final = r"arn:aws[a-z-]*:{service}:{region}:\d{{12}}:{resource}"
NAME: Final = r"[\w.-]*\w[\w.-]*"


@dataclass(frozen=True)
class Settings:
    """What is deployed, and where. What is optional and not set is None."""

    cdk_deploy_account: str | None
    """CDK_DEPLOY_ACCOUNT: the AWS account to deploy to; else that of the credentials."""
    cdk_deploy_region: str | None
    """CDK_DEPLOY_REGION: the AWS region to deploy to; else that of the credentials."""
    availability_zone: str | None
    """AVAILABILITY_ZONE: the zone of the network; else the region's first. A few zones lack Lambda or EFS."""
    architecture: str
    """ARCHITECTURE: x86_64 as most machines that build images are; arm64 costs a fifth less per GB-second."""
    lambda_memory_mb: int
    """LAMBDA_MEMORY_MB: of a function that runs the model. CPUs come with memory: 8,096 MB make 4.6."""
    lambda_timeout_seconds: int
    """LAMBDA_TIMEOUT_SECONDS: of a function that runs the model. The API answers after 30 s, an invocation may wait."""
    light_lambda_memory_mb: int
    """LIGHT_LAMBDA_MEMORY_MB: of a function that never runs the model. 1,769 MB make one CPU, for importing torch."""
    light_lambda_timeout_seconds: int
    """LIGHT_LAMBDA_TIMEOUT_SECONDS: of a function that never runs the model; after 30 s nobody waits any more."""
    reserved_concurrency: int | None
    """RESERVED_CONCURRENCY: most instances of each function that runs the model, and reserved for it; else unreserved,
    as an account has to keep 100 unreserved and a new one has fewer."""
    throttle_requests_per_second: int
    """THROTTLE_REQUESTS_PER_SECOND: on average, of all callers together; this bounds what abuse can cost."""
    throttle_burst_requests: int
    """THROTTLE_BURST_REQUESTS: at once. Twice a second's worth lets a page's parallel requests through."""
    keep_warm_minutes: int
    """KEEP_WARM_MINUTES: between calls that keep an instance of each model function loaded; 0 for none."""
    iam_authorization: bool
    """IAM_AUTHORIZATION: whether every route wants a request signed by an IAM identity."""
    cors_origins: tuple[str, ...]
    """CORS_ALLOW_ORIGINS: origins whose pages may call the API from a browser, separated by commas."""
    log_retention_days: int
    """LOG_RETENTION_DAYS: how long logs are kept. A month is enough to look into what somebody reports."""
    index_stale_days: int
    """INDEX_STALE_DAYS: age at which an index raises an alarm, 0 for never. Three days: two refreshes missed."""
    old_index_days: int
    """OLD_INDEX_DAYS: how long an index that was replaced is kept, to go back to."""
    index_publisher_arn: str | None
    """INDEX_PUBLISHER_ARN: the IAM role or user that may publish an index; else only whoever has the right anyway."""
    alarm_topic_arn: str | None
    """ALARM_TOPIC_ARN: the SNS topic that alarms tell; else they only show."""
    model_dir: str
    """MODEL_DIR: the folder in the cache where the newer index is, and a model under its name on the hub."""
    model_filename: str
    """MODEL_FILENAME: the weights in a published model's folder."""
    incidents_filename: str
    """INCIDENTS_FILENAME: the index file's name in the cache."""
    hf_model_uri: str
    """HF_MODEL_URI: the model's name on the hub, by which it is published: under models/ in the bucket."""
    index_key: str
    """INDEX_KEY: the published index's name in the bucket."""
    index_refresh_seconds: int
    """INDEX_REFRESH_SECONDS: how often a function looks for a newer index. It is published daily, so 5 min are soon."""
    max_text_characters: int | None
    """MAX_TEXT_CHARACTERS: longest text accepted; else what the service has as its default."""

    @classmethod
    def from_mapping(cls, environment: Mapping[str, str]) -> Self:
        """Read settings; a key that is missing or empty takes its default.

        Raises:
            ValueError: a value cannot be used; the message names the key.
        """

        def whole(key: str, default: int, least: int, most: int) -> int:
            return _whole(key, environment.get(key) or str(default), least, most)

        def optional_whole(key: str, least: int, most: int) -> int | None:
            return _whole(key, value, least, most) if (value := environment.get(key)) else None

        def matching(key: str, default: str, pattern: str, what: str) -> str:
            return _matching(key, environment.get(key) or default, pattern, what)

        def optional_matching(key: str, pattern: str, what: str) -> str | None:
            return _matching(key, value, pattern, what) if (value := environment.get(key)) else None

        return cls(
            cdk_deploy_account=optional_matching("CDK_DEPLOY_ACCOUNT", r"\d{12}", "an account id of 12 digits"),
            cdk_deploy_region=optional_matching(
                "CDK_DEPLOY_REGION", r"[a-z]{2,}(-[a-z]+)+-\d", "a region such as us-east-1"
            ),
            availability_zone=optional_matching(
                "AVAILABILITY_ZONE", r"[a-z]{2,}(-[a-z0-9]+)+-\d[a-z]", "an availability zone such as us-east-1a"
            ),
            architecture=matching("ARCHITECTURE", "x86_64", "x86_64|arm64", "x86_64 or arm64"),
            lambda_memory_mb=whole("LAMBDA_MEMORY_MB", 8096, 128, 10240),
            lambda_timeout_seconds=whole("LAMBDA_TIMEOUT_SECONDS", 600, 1, 900),
            light_lambda_memory_mb=whole("LIGHT_LAMBDA_MEMORY_MB", 1769, 128, 10240),
            light_lambda_timeout_seconds=whole("LIGHT_LAMBDA_TIMEOUT_SECONDS", 30, 1, 900),
            reserved_concurrency=optional_whole("RESERVED_CONCURRENCY", 1, 100_000),
            throttle_requests_per_second=whole("THROTTLE_REQUESTS_PER_SECOND", 10, 1, 10_000),
            throttle_burst_requests=whole("THROTTLE_BURST_REQUESTS", 20, 1, 5_000),
            keep_warm_minutes=whole("KEEP_WARM_MINUTES", 0, 0, 1440),
            iam_authorization=matching("IAM_AUTHORIZATION", "false", "true|false", "true or false") == "true",
            cors_origins=_origins(
                "CORS_ALLOW_ORIGINS",
                environment.get("CORS_ALLOW_ORIGINS") or "http://localhost:3000,https://incidentdatabase.ai",
            ),
            log_retention_days=_log_retention("LOG_RETENTION_DAYS", environment.get("LOG_RETENTION_DAYS") or "30"),
            index_stale_days=whole("INDEX_STALE_DAYS", 3, 0, 365),
            old_index_days=whole("OLD_INDEX_DAYS", 30, 1, 3650),
            index_publisher_arn=optional_matching(
                "INDEX_PUBLISHER_ARN",
                ARN.format(service="iam", region="", resource=r"(role|user)/[\w+=,.@/-]+"),
                "the ARN of an IAM role or user",
            ),
            alarm_topic_arn=optional_matching(
                "ALARM_TOPIC_ARN",
                ARN.format(service="sns", region="[a-z0-9-]+", resource=r"[\w-]+"),
                "the ARN of an SNS topic",
            ),
            model_dir=matching("MODEL_DIR", "model", NAME, "a folder's name"),
            model_filename=matching("MODEL_FILENAME", "model.safetensors", NAME, "a file's name"),
            incidents_filename=matching("INCIDENTS_FILENAME", "incident_cls.pt", NAME, "a file's name"),
            hf_model_uri=matching(
                "HF_MODEL_URI", "allenai/longformer-base-4096", f"{NAME}(/{NAME})?", "a model's name on the model hub"
            ),
            index_key=matching("INDEX_KEY", "incident_cls.pt", f"{NAME}(/{NAME})*", "an object's key in a bucket"),
            index_refresh_seconds=whole("INDEX_REFRESH_SECONDS", 300, 1, 86_400),
            max_text_characters=optional_whole("MAX_TEXT_CHARACTERS", 1, 999_999_999),
        )


def _whole(key: str, value: str, least: int, most: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10 and least <= int(value) <= most):
        raise ValueError(f"expected {key} to be a whole number from {least} to {most}, got {value!r}")
    return int(value)


def _matching(key: str, value: str, pattern: str, what: str) -> str:
    if not re.fullmatch(pattern, value, re.ASCII):
        raise ValueError(f"expected {key} to be {what}, got {value!r}")
    return value


def _log_retention(key: str, value: str) -> int:
    if value not in map(str, LOG_RETENTION_DAYS):
        raise ValueError(f"expected {key} to be one of {', '.join(map(str, LOG_RETENTION_DAYS))}, got {value!r}")
    return int(value)


def _origins(key: str, value: str) -> tuple[str, ...]:
    """Origins separated by commas, in lower case as browsers send them; no `*`, which goes with no credentials."""
    origins = tuple(origin.strip() for origin in value.split(","))
    for origin in origins:
        if not re.fullmatch(r"https?://[a-z0-9.-]+(:\d{1,5})?", origin, re.ASCII):
            raise ValueError(f"expected {key} to hold origins such as https://example.org, got {origin!r}")
    return origins
