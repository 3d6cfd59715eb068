"""The settings of the stack: their valid values and their sources."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from infrastructure.settings import Settings, problems

REPOSITORY = Path(__file__).resolve().parents[2]

BAD = {
    "CDK_DEPLOY_ACCOUNT": ["12345", "1234567890123", "my-account", "١٢٣٤٥٦٧٨٩٠١٢"],
    "CDK_DEPLOY_REGION": ["Frankfurt", "us-east", "us-east-1a"],
    "AVAILABILITY_ZONE": ["us-east-1", "a", "0"],
    "ARCHITECTURE": ["x86", "amd64", "ARM64"],
    "LAMBDA_MEMORY_MB": ["127", "10241", "8096 MB", "8e3", "-1", "many", "8096.0", "8_096", "+8096", " 8096", "٨٠٩٦"],
    "LAMBDA_TIMEOUT_SECONDS": ["0", "901", "10m"],
    "LIGHT_LAMBDA_MEMORY_MB": ["0", "127", "10241"],
    "LIGHT_LAMBDA_TIMEOUT_SECONDS": ["0", "901", "1.5"],
    "RESERVED_CONCURRENCY": ["0", "-1", "none"],
    "THROTTLE_REQUESTS_PER_SECOND": ["0", "0.5", "10001"],
    "THROTTLE_BURST_REQUESTS": ["0", "5001"],
    "KEEP_WARM_MINUTES": ["-1", "1441", "off"],
    "IAM_AUTHORIZATION": ["yes", "1", "True", "off"],
    "CORS_ALLOW_ORIGINS": [
        "*",
        "incidentdatabase.ai",
        "https://incidentdatabase.ai/",
        "https://incidentdatabase.ai,",
        "https://*.incidentdatabase.ai",
        "https://IncidentDatabase.ai",
        "https://a.org;https://b.org",
    ],
    "LOG_RETENTION_DAYS": ["0", "31", "forever"],
    "INDEX_STALE_DAYS": ["-1", "366"],
    "OLD_INDEX_DAYS": ["0", "3651"],
    "INDEX_PUBLISHER_ARN": ["refresh", "arn:aws:iam::123456789012:root", "arn:aws:iam::*:role/refresh"],
    "ALARM_TOPIC_ARN": [
        "alarms",
        "arn:aws:sns:us-east-1:123456789012:alarms:1",
        "arn:aws:sqs:us-east-1:123456789012:a",
    ],
    "HF_MODEL_URI": ["https://huggingface.co/a/b", "a/b/c", "a b", "..", "a/..", "*", "/a", "a/"],
    "INDEX_REFRESH_SECONDS": ["0", "86401"],
    "MAX_TEXT_CHARACTERS": ["0", "many", "9999999999"],
}


def test_these_are_the_defaults() -> None:
    assert Settings.from_mapping({}).model_dump() == {
        "cdk_deploy_account": None,
        "cdk_deploy_region": None,
        "availability_zone": None,
        "architecture": "x86_64",
        "lambda_memory_mb": 8096,
        "lambda_timeout_seconds": 600,
        "light_lambda_memory_mb": 1769,
        "light_lambda_timeout_seconds": 30,
        "reserved_concurrency": None,
        "throttle_requests_per_second": 10,
        "throttle_burst_requests": 20,
        "keep_warm_minutes": 0,
        "iam_authorization": False,
        "cors_allow_origins": ("http://localhost:3000", "https://incidentdatabase.ai"),
        "log_retention_days": 30,
        "index_stale_days": 3,
        "old_index_days": 30,
        "index_publisher_arn": None,
        "alarm_topic_arn": None,
        "hf_model_uri": "allenai/longformer-base-4096",
        "index_refresh_seconds": 300,
        "max_text_characters": None,
    }


def test_an_empty_value_means_the_default() -> None:
    assert Settings.from_mapping(dict.fromkeys(BAD, "")) == Settings.from_mapping({})


def test_every_setting_has_bad_values_here() -> None:
    assert {name.upper() for name in Settings.model_fields} == BAD.keys()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described_in_sentences(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description
    assert re.fullmatch(r"[A-Z]\S* .+\.", description)


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in BAD.items() for value in values])
def test_a_bad_value_is_reported_in_one_sentence_that_names_its_key(key: str, value: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings.from_mapping({key: value})
    (problem,) = problems(raised.value)
    assert re.fullmatch(f"expected {key} to be .+, got {re.escape(repr(value))}", problem)


def test_every_bad_value_is_reported() -> None:
    with pytest.raises(ValidationError) as raised:
        Settings.from_mapping({"KEEP_WARM_MINUTES": "off", "ARCHITECTURE": "x86"})
    assert problems(raised.value) == [
        "expected ARCHITECTURE to be x86_64 or arm64, got 'x86'",
        "expected KEEP_WARM_MINUTES to be a whole number from 0 to 1440, got 'off'",
    ]


def test_origins_are_separated_by_commas() -> None:
    settings = Settings.from_mapping({"CORS_ALLOW_ORIGINS": "https://a.org, http://localhost:8000,https://b.c.org"})
    assert settings.cors_allow_origins == ("https://a.org", "http://localhost:8000", "https://b.c.org")


def run_app(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if key not in BAD}
    inherited |= {"JSII_DEPRECATED": "quiet", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}  # as make does
    return subprocess.run(
        [sys.executable, REPOSITORY / "app.py"],
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.skipif(not shutil.which("node"), reason="the CDK needs Node")
def test_a_bad_value_in_the_env_file_ends_the_synthesis_with_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "# the stack\nLAMBDA_MEMORY_MB=in-the-file\nLOG_RETENTION_DAYS=7\nUNKNOWN=1\nALONE\n"
    )
    done = run_app(tmp_path)
    sentence = "expected LAMBDA_MEMORY_MB to be a whole number from 128 to 10240, got 'in-the-file'"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"Nothing synthesized: {sentence}\n")


@pytest.mark.skipif(not shutil.which("node"), reason="the CDK needs Node")
def test_two_bad_values_end_the_synthesis_with_two_sentences(tmp_path: Path) -> None:
    done = run_app(tmp_path, ARCHITECTURE="x86", IAM_AUTHORIZATION="yes")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Nothing synthesized: expected ARCHITECTURE to be x86_64 or arm64, got 'x86'",
        "Nothing synthesized: expected IAM_AUTHORIZATION to be true or false, got 'yes'",
    ]


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A .env in the working directory, without variables of the stack in the environment."""
    for key in BAD:
        monkeypatch.delenv(key, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".env"


def test_a_setting_comes_from_the_env_file(env_file: Path) -> None:
    env_file.write_text("LAMBDA_MEMORY_MB=1000\nLOG_RETENTION_DAYS=\n")
    assert (Settings().lambda_memory_mb, Settings().log_retention_days) == (1000, 30)


@pytest.mark.parametrize(("value", "expected"), [("2000", 2000), ("", 8096)], ids=["value", "empty"])
def test_the_environment_overrides_the_env_file(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, value: str, expected: int
) -> None:
    env_file.write_text("LAMBDA_MEMORY_MB=1000\n")
    monkeypatch.setenv("LAMBDA_MEMORY_MB", value)
    assert Settings().lambda_memory_mb == expected


def test_a_mapping_overrides_environment_and_env_file(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("LAMBDA_MEMORY_MB=1000\nLOG_RETENTION_DAYS=7\n")
    monkeypatch.setenv("IAM_AUTHORIZATION", "true")
    settings = Settings.from_mapping({"LAMBDA_MEMORY_MB": "3008"})
    changed = {name for name, value in settings if value != Settings.model_fields[name].default}
    assert (changed, settings.lambda_memory_mb) == ({"lambda_memory_mb"}, 3008)


def test_the_example_env_file_lists_every_setting_with_its_default() -> None:
    lines = (REPOSITORY / ".env.example").read_text().splitlines()
    given = dict(line.removeprefix("#").split("=", 1) for line in lines if re.match(r"#?[A-Z_]+=", line))
    assert given.keys() == BAD.keys()
    assert Settings.from_mapping(given) == Settings.from_mapping({})
