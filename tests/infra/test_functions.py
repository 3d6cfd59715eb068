"""The functions: one per script, all from the same image."""

import json
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from incidents.http.routes import script_names
from incidents.settings import Settings as ServiceSettings
from support.template import Template

MODEL_SCRIPTS = ["embed", "similar"]
LIGHT_SCRIPTS = sorted(set(script_names()) - set(MODEL_SCRIPTS))
DATA_SCRIPTS = sorted(set(script_names()) - {"page"})


def test_every_script_has_one_function(template: Template) -> None:
    functions = template.all("AWS::Lambda::Function")
    assert functions.keys() == {f"Functions/{script.capitalize()}/Function" for script in script_names()}


def test_all_functions_run_the_same_image_with_their_own_command(template: Template) -> None:
    functions = list(template.all("AWS::Lambda::Function").values())
    assert len({str(function["Code"]) for function in functions}) == 1
    assert {function["PackageType"] for function in functions} == {"Image"}
    for script in script_names():
        assert template.function(script)["ImageConfig"] == {"Command": [f"{script}.handler"]}


def test_a_new_script_adds_a_function_and_two_routes(
    synthesize: Callable[..., Template], template: Template, image_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(image_folder, tmp_path / "inference")
    (folder / "classify.py").write_text("def handler(event, context): ...\n")
    (folder / "incidents").mkdir()
    (folder / "incidents" / "no_script.py").touch()
    wider = synthesize(folder)
    assert wider.function("classify")["MemorySize"] == 8096
    assert len(wider.all("AWS::Lambda::Function")) == len(template.all("AWS::Lambda::Function")) + 1
    routes = {route["RouteKey"] for route in wider.all("AWS::ApiGatewayV2::Route").values()}
    assert routes - {route["RouteKey"] for route in template.all("AWS::ApiGatewayV2::Route").values()} == {
        "GET /classify",
        "POST /classify",
    }


@pytest.mark.parametrize("script", MODEL_SCRIPTS)
def test_functions_that_run_the_model_get_its_memory_and_timeout(template: Template, script: str) -> None:
    assert (template.function(script)["MemorySize"], template.function(script)["Timeout"]) == (8096, 600)


@pytest.mark.parametrize("script", LIGHT_SCRIPTS)
def test_functions_that_never_run_the_model_get_less(template: Template, script: str) -> None:
    assert (template.function(script)["MemorySize"], template.function(script)["Timeout"]) == (1769, 30)


@pytest.mark.parametrize("script", script_names())
def test_a_functions_environment_is_complete(template: Template, script: str) -> None:
    assert template.meant(template.function(script)["Environment"]["Variables"]) == {
        "TRANSFORMERS_CACHE": "/mnt/hf_models_cache",
        "MODEL_DIR": "model",
        "MODEL_FILENAME": "model.safetensors",
        "INCIDENTS_FILENAME": "incident_cls.pt",
        "HF_MODEL_URI": "allenai/longformer-base-4096",
        "INDEX_BUCKET": "<IndexStore/Bucket>",
        "INDEX_KEY": "incident_cls.pt",
        "INDEX_REFRESH_SECONDS": "300",
    }


@pytest.mark.parametrize("name", ["MODEL_DIR", "MODEL_FILENAME", "INCIDENTS_FILENAME", "INDEX_KEY"])
def test_a_fixed_name_cannot_be_set(synthesize: Callable[..., Template], template: Template, name: str) -> None:
    assert synthesize(**{name: "other"}).content == template.content


def test_the_service_reads_what_the_stack_sets(synthesize: Callable[..., Template]) -> None:
    template = synthesize(HF_MODEL_URI="a/b", INDEX_REFRESH_SECONDS="60", MAX_TEXT_CHARACTERS="1000")
    settings = ServiceSettings.from_mapping(template.meant(template.function("similar")["Environment"]["Variables"]))
    assert settings.transformers_cache == Path("/mnt/hf_models_cache")
    assert (settings.hf_model_uri, settings.index_refresh_seconds) == ("a/b", 60)
    assert settings.index_bucket == "<IndexStore/Bucket>"
    assert settings.max_text_characters == 1000


def test_the_page_has_no_model_cache(template: Template) -> None:
    assert "FileSystemConfigs" not in template.function("page")


@pytest.mark.parametrize("script", DATA_SCRIPTS)
def test_the_model_cache_is_mounted_before_the_function_starts(template: Template, script: str) -> None:
    function = template.function(script)
    (mount,) = template.meant(function["FileSystemConfigs"])
    assert mount["Arn"].endswith(":access-point/<ModelCache/FileSystem/Models>")
    assert mount["LocalMountPath"] == "/mnt/hf_models_cache"
    (resource,) = (each for each in template.resources.values() if each.get("Properties") is function)
    waited_for = {template.resources[name]["Type"] for name in resource["DependsOn"]}
    assert {"AWS::EFS::MountTarget", "AWS::IAM::Policy"} <= waited_for


@pytest.mark.parametrize("script", script_names())
def test_a_function_runs_in_the_network_and_is_traced(template: Template, script: str) -> None:
    function = template.meant(template.function(script))
    assert function["VpcConfig"] == {
        "SecurityGroupIds": ["<Network/FunctionsGroup>.GroupId"],
        "SubnetIds": ["<Network/Vpc/PublicSubnet1/Subnet>"],
    }
    assert function["TracingConfig"] == {"Mode": "Active"}


@pytest.mark.parametrize("script", script_names())
def test_a_function_has_its_own_logs_with_a_retention_period(template: Template, script: str) -> None:
    logs = f"Functions/{script.capitalize()}/Logs"
    assert template.meant(template.function(script)["LoggingConfig"]) == {"LogGroup": f"<{logs}>"}
    assert template.only("AWS::Logs::LogGroup", logs)["RetentionInDays"] == 30


@pytest.mark.parametrize(("architecture", "platform"), [("x86_64", "linux/amd64"), ("arm64", "linux/arm64")])
def test_image_and_functions_have_the_same_architecture(
    synthesize: Callable[..., Template], architecture: str, platform: str
) -> None:
    template = synthesize(ARCHITECTURE=architecture)
    for function in template.all("AWS::Lambda::Function").values():
        assert function["Architectures"] == [architecture]
    (image,) = template.images.values()
    assert image["source"]["platform"] == platform


def test_concurrency_is_reserved_only_on_request(synthesize: Callable[..., Template], template: Template) -> None:
    for function in template.all("AWS::Lambda::Function").values():
        assert "ReservedConcurrentExecutions" not in function
    asked = synthesize(RESERVED_CONCURRENCY="7")
    assert {script: asked.function(script).get("ReservedConcurrentExecutions") for script in script_names()} == {
        script: 7 if script in MODEL_SCRIPTS else None for script in script_names()
    }


def test_functions_are_kept_warm_only_on_request(synthesize: Callable[..., Template], template: Template) -> None:
    assert not template.all("AWS::Events::Rule")
    asked = synthesize(KEEP_WARM_MINUTES="5")
    rule = asked.meant(asked.only("AWS::Events::Rule"))
    assert rule["ScheduleExpression"] == "rate(5 minutes)"
    targets = {target["Arn"]: json.loads(target["Input"]) for target in rule["Targets"]}
    assert targets == {f"<Functions/{script.capitalize()}/Function>.Arn": {"text": "warm"} for script in MODEL_SCRIPTS}
    callers = asked.all("AWS::Lambda::Permission", "Functions/KeepWarm/*").values()
    assert {asked.meant(caller["SourceArn"]) for caller in callers} == {"<Functions/KeepWarm>.Arn"}


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("script", MODEL_SCRIPTS)
def test_the_functions_answer_the_event_that_keeps_them_warm(synthesize: Callable[..., Template], script: str) -> None:
    rule = synthesize(KEEP_WARM_MINUTES="1").only("AWS::Events::Rule")
    handler = import_module(script).handler
    assert {handler(json.loads(target["Input"]), None)["statusCode"] for target in rule["Targets"]} == {200}
