"""The stack in an emulated AWS, by make's targets: bootstrap, deploy, diff, deploy a change, destroy.

AWS is a moto server on this machine and Docker a script; emulator.py and docker.sh say what they leave out.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from incidents.http.routes import script_names
from infrastructure.settings import Settings

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
STACK = "AiidNlpLambdaStack"
REGION = "us-east-1"
DEPLOY = "--method direct --require-approval never"


@dataclass(frozen=True)
class State:
    """The resources in the emulated AWS."""

    outputs: dict[str, str]
    functions: dict[str, dict[str, Any]]
    """The configuration of each script's function, with its image and resource policy."""
    buckets: list[str]
    file_systems: list[dict[str, Any]]
    access_points: list[dict[str, Any]]
    vpcs: list[str]
    log_retention_days: set[int]


@dataclass(frozen=True)
class History:
    """The state after each command, the printed difference and the calls of Docker."""

    deployed: State
    changed: State
    removed: State
    difference: str
    docker: list[str]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment that directs the CDK and boto3 to the emulator."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    folder = tmp_path_factory.mktemp("aws")
    with (
        (folder / "emulator.log").open("w") as log,
        subprocess.Popen([sys.executable, HERE / "emulator.py", port], stdout=log, stderr=log) as emulator,
    ):
        for _ in range(600):
            with socket.socket() as client:
                if emulator.poll() is None and client.connect_ex(("localhost", int(port))) == 0:
                    break
            time.sleep(0.1)
        else:
            pytest.fail(f"expected the emulator to start, got {(folder / 'emulator.log').read_text()}")
        yield {
            "AWS_ENDPOINT_URL": f"http://localhost:{port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CDK_DOCKER": str(HERE / "docker.sh"),
            "DOCKER_LOG": str(folder / "docker.log"),
            "HOME": str(folder),
        }
        emulator.terminate()


@pytest.fixture(scope="module")
def history(aws: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> History:
    """Bootstrap an account, deploy the stack, show and deploy a change, and destroy the stack."""
    output = tmp_path_factory.mktemp("cdk.out")
    run = partial(make, f"--output {output}", aws)
    run("bootstrap")
    run("deploy", DEPLOY)
    deployed = state(aws)
    difference = run("diff", "--method template", LAMBDA_MEMORY_MB="3008")
    # moto does not know a parameter's previous value.
    run("deploy", f"{DEPLOY} --no-previous-parameters", LAMBDA_MEMORY_MB="3008")
    changed = state(aws)
    run("destroy", "--force")
    return History(deployed, changed, state(aws), difference, Path(aws["DOCKER_LOG"]).read_text().splitlines())


def make(common: str, aws: dict[str, str], target: str, options: str = "", **settings: str) -> str:
    given_by_make = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}  # set when make runs these tests
    inherited = {key: value for key, value in os.environ.items() if key not in given_by_make and key[:4] != "AWS_"}
    # An empty value means the default and overrides .env.
    defaults = dict.fromkeys(map(str.upper, Settings.model_fields), "")
    # MODEL= builds without a model; tests in tests/image check the image's content.
    done = subprocess.run(
        ["make", "--silent", target, "MODEL=", f"CDK_OPTIONS={common} {options}"],
        cwd=REPOSITORY,
        env=inherited | defaults | aws | settings,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def state(aws: dict[str, str]) -> State:
    client = partial(
        boto3.client,
        endpoint_url=aws["AWS_ENDPOINT_URL"],
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    aws_lambda = client("lambda")
    functions = {}
    for listed in aws_lambda.list_functions()["Functions"]:
        found = aws_lambda.get_function(FunctionName=listed["FunctionName"])
        policy = json.loads(aws_lambda.get_policy(FunctionName=listed["FunctionName"])["Policy"])
        script = listed["Description"].removeprefix("inference/").removesuffix(".py")
        functions[script] = found["Configuration"] | {"Image": found["Code"]["ImageUri"], "Policy": policy}
    try:
        (stack,) = client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    except ClientError:  # the stack does not exist
        outputs = {}
    vpcs = client("ec2").describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.0.0.0/16"]}])["Vpcs"]
    groups = client("logs").describe_log_groups()["logGroups"]
    return State(
        outputs=outputs,
        functions=functions,
        buckets=[bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"] if "index" in bucket["Name"]],
        file_systems=client("efs").describe_file_systems()["FileSystems"],
        access_points=client("efs").describe_access_points()["AccessPoints"],
        vpcs=[vpc["VpcId"] for vpc in vpcs],
        log_retention_days={group["retentionInDays"] for group in groups},
    )


def test_the_outputs_name_the_api_and_the_bucket(history: History) -> None:
    outputs = history.deployed.outputs
    assert outputs.keys() == {"apiUrl", "indexBucket"}
    assert outputs["apiUrl"] == f"https://emulated.execute-api.{REGION}.amazonaws.com/"
    assert [outputs["indexBucket"]] == history.deployed.buckets


def test_every_function_has_its_memory_environment_and_network(history: History) -> None:
    functions = history.deployed.functions
    assert sorted(functions) == script_names()
    assert {script: function["MemorySize"] for script, function in functions.items()} == {
        script: 8096 if script in ("embed", "similar") else 1769 for script in script_names()
    }
    for function in functions.values():
        variables = function["Environment"]["Variables"]
        assert variables["INDEX_BUCKET"] == history.deployed.outputs["indexBucket"]
        assert variables["TRANSFORMERS_CACHE"] == "/mnt/hf_models_cache"
        assert len(function["VpcConfig"]["SubnetIds"]) == len(function["VpcConfig"]["SecurityGroupIds"]) == 1


def test_the_api_may_call_the_functions(history: History) -> None:
    (statement, *_) = history.deployed.functions["similar"]["Policy"]["Statement"]
    assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
    sources = {
        each["Condition"]["ArnLike"]["AWS:SourceArn"].split("emulated/*/*")[1]
        for each in history.deployed.functions["similar"]["Policy"]["Statement"]
    }
    assert sources == {"/similar", "/text-to-db-similar", "/embed-to-db-similar"}


def test_the_model_cache_has_a_mount_target_and_an_access_point(history: History) -> None:
    (cache,) = history.deployed.file_systems
    assert (cache["Encrypted"], cache["NumberOfMountTargets"]) == (True, 1)
    (point,) = history.deployed.access_points
    assert point["PosixUser"] == {"Uid": 1001, "Gid": 1001}
    assert point["RootDirectory"]["Path"] == "/export/models"


def test_logs_have_a_retention_period(history: History) -> None:
    assert history.deployed.log_retention_days == {30}


def test_one_image_is_built_and_published_for_all_functions(history: History) -> None:
    images = {function["Image"] for function in history.deployed.functions.values()}
    builds = [line for line in history.docker if line.startswith("build ")]
    pushes = [line for line in history.docker if line.startswith("push ")]
    assert "--platform linux/amd64" in builds[0]
    assert {push.removeprefix("push ") for push in pushes} == images
    assert len(images) == 1


def test_the_difference_only_shows_the_changed_setting(history: History) -> None:
    lines = [line.strip() for line in history.difference.splitlines()]
    resources = [line for line in lines if re.match(r"\[[-+~]\] (AWS|Custom)::", line)]
    assert [re.sub(r"\w+$", "", line).strip() for line in resources] == [
        "[~] AWS::Lambda::Function Functions/Embed/Function",
        "[~] AWS::Lambda::Function Functions/Similar/Function",
    ]
    values = [line.lstrip("│├└─ ") for line in lines if "─ [" in line]
    assert values == ["[~] MemorySize", "[-] 8096", "[+] 3008"] * 2


def test_a_changed_setting_changes_the_functions_in_place(history: History) -> None:
    before, after = history.deployed, history.changed
    assert after.outputs == before.outputs
    assert {script: function["FunctionArn"] for script, function in after.functions.items()} == {
        script: function["FunctionArn"] for script, function in before.functions.items()
    }
    assert {script: function["MemorySize"] for script, function in after.functions.items()} == {
        script: 3008 if script in ("embed", "similar") else 1769 for script in script_names()
    }


def test_destroying_the_stack_leaves_only_the_bucket(history: History) -> None:
    assert history.removed == State(
        outputs={},
        functions={},
        buckets=history.deployed.buckets,
        file_systems=[],
        access_points=[],
        vpcs=[],
        log_retention_days=set(),
    )
