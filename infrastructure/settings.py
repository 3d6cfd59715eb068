"""The settings of the stack, read from the environment and from `.env`."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from incidents.http.routes import DEFAULT_ORIGINS, parse_origins

LOG_RETENTION_DAYS: Final = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557,
                             2922, 3288, 3653)  # fmt: skip
"""The retention periods that CloudWatch Logs offers, in days."""

ARN: Final = r"arn:aws[a-z-]*:{service}:{region}:\d{{12}}:{resource}"
NAME: Final = r"[\w.-]*\w[\w.-]*"


def matching(pattern: str, expected: str) -> BeforeValidator:
    """Accept a string that matches the whole pattern; `expected` completes "expected NAME to be …"."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise _rejected(expected)
        return value

    return BeforeValidator(check)


def whole(least: int, most: int) -> BeforeValidator:
    """Accept a whole number within a range, written in decimal digits alone."""

    def check(value: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise _rejected(f"a whole number from {least} to {most}")
        return int(value)

    return BeforeValidator(check)


def origins(value: str) -> tuple[str, ...]:
    """Split origins at commas."""
    try:
        return parse_origins(value)
    except ValueError:
        raise _rejected("origins such as https://example.org, separated by commas") from None


class Settings(BaseSettings):
    """What the stack deploys, and where.

    Each field is set by the variable of its name, in upper or lower case. The environment overrides `.env`; an empty
    value means the default. A setting without a default is None unless set.
    """

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, validate_default=False)

    cdk_deploy_account: Annotated[str | None, matching(r"\d{12}", "an account id of 12 digits")] = Field(
        default=None, description="AWS account to deploy to. By default, the account of the credentials in use."
    )
    cdk_deploy_region: Annotated[str | None, matching(r"[a-z]{2,}(-[a-z]+)+-\d", "a region such as us-east-1")] = Field(
        default=None, description="AWS region to deploy to. By default, the region of the credentials in use."
    )
    availability_zone: Annotated[
        str | None, matching(r"[a-z]{2,}(-[a-z0-9]+)+-\d[a-z]", "an availability zone such as us-east-1a")
    ] = Field(
        default=None,
        description="The network's only availability zone. By default, the region's first. "
        "Choose another where the first lacks Lambda or EFS.",
    )
    architecture: Annotated[Literal["x86_64", "arm64"], matching("x86_64|arm64", "x86_64 or arm64")] = Field(
        default="x86_64",
        description="Processor architecture of the image and the functions, x86_64 or arm64. The default is that of "
        "most build machines; arm64 costs a fifth less per GB-second.",
    )
    lambda_memory_mb: Annotated[int, whole(128, 10_240)] = Field(
        default=8096,
        description="Memory of each function that runs the model, in MB. "
        "Lambda allots CPU in proportion: the default buys 4.6 vCPUs.",
    )
    lambda_timeout_seconds: Annotated[int, whole(1, 900)] = Field(
        default=600,
        description="Timeout of each function that runs the model, in seconds. API Gateway ends a call after 30; "
        "the default leaves time for direct invocations.",
    )
    light_lambda_memory_mb: Annotated[int, whole(128, 10_240)] = Field(
        default=1769,
        description="Memory of each function that never runs the model, in MB. "
        "The default buys one full vCPU, which shortens the import of torch.",
    )
    light_lambda_timeout_seconds: Annotated[int, whole(1, 900)] = Field(
        default=30,
        description="Timeout of each function that never runs the model, in seconds. "
        "The default is the time after which API Gateway ends a call.",
    )
    reserved_concurrency: Annotated[int | None, whole(1, 100_000)] = Field(
        default=None,
        description="Instances reserved for each function that runs the model, which is also their maximum. By default "
        "none: an account must keep 100 instances unreserved, and the quota of a new account may be lower.",
    )
    keep_warm_minutes: Annotated[int, whole(0, 1440)] = Field(
        default=0,
        description="Minutes between calls that keep an instance of each function that runs the model loaded. "
        "0, the default, makes no such calls.",
    )
    cors_allow_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(origins)] = Field(
        default=parse_origins(DEFAULT_ORIGINS),
        description="Origins whose pages may call the API from a browser, separated by commas. "
        "The defaults are the AI Incident Database's website and a development server on the same machine.",
    )
    iam_authorization: Annotated[bool, matching("true|false", "true or false")] = Field(
        default=False,
        description="Whether every route, the page included, requires a request signed by an IAM identity: "
        "true or false. By default the API is public.",
    )
    throttle_requests_per_second: Annotated[int, whole(1, 10_000)] = Field(
        default=10,
        description="Mean number of requests per second accepted from all callers together; requests beyond it get "
        "status 429. The default bounds what abuse can cost.",
    )
    throttle_burst_requests: Annotated[int, whole(1, 5_000)] = Field(
        default=20,
        description="Number of requests accepted at once from all callers together. "
        "The default, two seconds' worth, lets a page's parallel requests through.",
    )
    hf_model_uri: Annotated[str, matching(f"{NAME}(/{NAME})?", "a model's name on the model hub")] = Field(
        default="allenai/longformer-base-4096",
        description="The model's name on the model hub. The functions may read the model published under "
        "models/NAME in the bucket. The default is the production model.",
    )
    max_text_characters: Annotated[int | None, whole(1, 999_999_999)] = Field(
        default=None,
        description="Longest text accepted, in characters. By default, the service's own limit applies.",
    )
    index_refresh_seconds: Annotated[int, whole(1, 86_400)] = Field(
        default=300,
        description="Minimum time between two checks of a function for a newer index, in seconds. "
        "An index is published about once a day, so the default delays it little.",
    )
    index_publisher_arn: Annotated[
        str | None,
        matching(
            ARN.format(service="iam", region="", resource=r"(role|user)/[\w+=,.@/-]+"), "the ARN of an IAM role or user"
        ),
    ] = Field(
        default=None,
        description="ARN of the IAM role or user that may publish an index to the bucket and roll it back. "
        "By default, only identities whose own policies allow it.",
    )
    old_index_days: Annotated[int, whole(1, 3650)] = Field(
        default=30, description="Days for which a replaced index is kept, so that it can be restored."
    )
    index_stale_days: Annotated[int, whole(0, 365)] = Field(
        default=3,
        description="Age of the index in use that raises an alarm, in days; 0 disables the alarm. "
        "With a daily refresh, the default means two were missed.",
    )
    alarm_topic_arn: Annotated[
        str | None,
        matching(ARN.format(service="sns", region="[a-z0-9-]+", resource=r"[\w-]+"), "the ARN of an SNS topic"),
    ] = Field(
        default=None, description="ARN of the SNS topic that alarms notify. By default, they only show in CloudWatch."
    )
    log_retention_days: Annotated[
        int, matching("|".join(map(str, LOG_RETENTION_DAYS)), f"one of {', '.join(map(str, LOG_RETENTION_DAYS))}")
    ] = Field(
        default=30,
        description="Days for which logs are kept; CloudWatch offers 1, 3, 5, 7, 14, 30, 60, 90 and longer periods. "
        "The default leaves a month to investigate a report.",
    )

    @classmethod
    def from_mapping(cls, variables: Mapping[str, str]) -> Self:
        """Read the settings from these variables alone, independent of the environment and `.env`.

        Raises:
            ValidationError: values are invalid; see `problems`.
        """
        # An argument overrides both, and an empty one means the default.
        values: dict[str, Any] = dict.fromkeys(cls.model_fields, "")
        return cls(**values | {name.lower(): value for name, value in variables.items()})

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: dict[str, Any]) -> dict[str, Any]:
        # `env_ignore_empty` would let `.env` override an empty variable.
        return {name: value for name, value in values.items() if value != ""}


def problems(error: ValidationError) -> list[str]:
    """Name each invalid setting with what was expected and what came, in a sentence of its own."""
    return [
        f"expected {str(each['loc'][0]).upper()} to be {each['msg']}, got {each['input']!r}" for each in error.errors()
    ]


def _rejected(expected: str) -> PydanticCustomError:
    return PydanticCustomError("setting", "{expected}", {"expected": expected})
