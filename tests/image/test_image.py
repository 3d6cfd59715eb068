"""The container image, started by buildah; `make test-image` builds it first, with what is in inference/model."""

import importlib
import json
import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from incidents.http.routes import script_names
from incidents.store import current as store
from support.publishing import BUCKET, CREDENTIALS, index_of, make_bucket, put, saved
from support.servers.container import IMAGE, ONE_THREAD, PYTHON, Container, buildah, files
from support.servers.lambda_runtime import PATIENCE_SECONDS

REPOSITORY = Path(__file__).resolve().parents[2]
ARTICLE = "A robotaxi struck a pedestrian and dragged her along the street. " * 40


def events(width: int) -> dict[str, list[tuple[int, Any]]]:
    """Each script's events, with the status of the answer; `width` is that of the image's model."""
    return {
        "similar": [
            (200, {"text": "A chatbot gave dangerous medical advice"}),
            (200, {"text": ARTICLE, "num": -1}),
            (200, {"body": json.dumps({"text": "Ein Roboter verletzt einen Arbeiter", "num": "1"})}),
            (200, {"queryStringParameters": {"text": '"facial recognition"'}}),
            (200, {"embed": [(-1) ** place / (place + 1) for place in range(width)], "num": 5}),
            (400, {"text": 5}),
        ],
        "embed": [(200, {"text": ARTICLE})],
        "info": [(200, {})],
        "page": [(200, {})],
    }


def incident_ids(answer: bytes) -> list[int]:
    return [match["incident_id"] for match in json.loads(json.loads(answer)["body"])["body"]["similar"]]


def without_age(answer: bytes) -> bytes:
    return re.sub(rb'(age_seconds\\": )\d+', rb"\1-", answer)


@pytest.mark.parametrize("script", script_names())
def test_the_answers_are_those_of_the_checkout(
    start: Callable[..., Any], configure: Callable[..., None], script: str
) -> None:
    configure(**ONE_THREAD)  # the model is in inference/model, for the image in /function/model
    handler = importlib.import_module(script).handler
    with start(script) as runtime:
        for status, event in events(store.current().index().encoder.width)[script]:
            expected = handler(event, None)
            assert expected["statusCode"] == status
            assert without_age(runtime.invoke(event)) == without_age(json.dumps(expected).encode())


def test_it_runs_as_user_1001_and_writes_nothing(container: Container, start: Callable[..., Any]) -> None:
    assert container.run("true").returncode == 0  # buildah itself puts files into /etc and /run
    before = files(container.root, ".")
    with start("similar") as runtime:
        assert json.loads(runtime.invoke({"text": "a robot"}))["statusCode"] == 200
        assert runtime.status()["Uid"].split() == ["1001"] * 4
    assert len(before) > 5000
    assert {path.name for path in files(container.root, ".").keys() ^ before.keys()} <= {"aws-lambda-rie"}
    assert files(container.root, "function", "packages", "tmp", "var/tmp").items() <= before.items()


def test_it_runs_on_a_file_system_that_is_read_only(container: Container, config: dict[str, Any]) -> None:
    script = """
        mount --bind "$0" "$0"
        mount --bind /proc "$0/proc"
        mount --options remount,bind,ro "$0"
        ! touch "$0/tmp/written"
        exec chroot --userspec=1001:1001 "$0" env --ignore-environment "$@"
    """
    command = [*config["Env"], PYTHON, "-m", "incidents.self_check"]
    isolated = ["unshare", "--mount", "sh", "-ec", script, str(container.root), *command]  # the mounts end with it
    done = subprocess.run(isolated, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "tmp/written': Read-only file system" in done.stderr
    assert "index: " in done.stderr


def test_it_takes_a_newer_index_from_s3_to_the_cache(
    start: Callable[..., Any], configure: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(**ONE_THREAD)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    cache = tmp_path / "cache"
    cache.mkdir()
    os.chown(cache, 1001, 1001)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    try:
        published = saved(index_of(store.current().index().encoder, 7, 8), tmp_path / "published")
        put(make_bucket(), published.read_bytes())
        environment = CREDENTIALS | {"AWS_ENDPOINT_URL_S3": endpoint, "INDEX_BUCKET": BUCKET}
        mounted = f"--volume={cache}:/mnt/cache"
        with start("similar", mounted, TRANSFORMERS_CACHE="/mnt/cache", **environment) as runtime:
            # On a busy machine, the first answers may precede the index.
            end = time.monotonic() + PATIENCE_SECONDS
            while (ids := incident_ids(runtime.invoke({"text": "a robot"}))) != [8, 7] and time.monotonic() < end:
                time.sleep(0.1)
    finally:
        server.stop()
    assert ids == [8, 7]
    kept = cache / "model" / "incident_cls.pt"
    assert kept.read_bytes() == published.read_bytes()
    assert (kept.stat().st_uid, kept.stat().st_gid) == (1001, 1001)


def test_bytecode_is_complete_and_valid_regardless_of_file_times(container: Container) -> None:
    compiled = [path for path in files(container.root, "function", "packages") if path.suffix == ".pyc"]
    assert len(compiled) > 1000
    unchecked = b"\x01\x00\x00\x00"  # PEP 552: an unchecked hash of the source
    assert {(container.root / path).read_bytes()[4:8] for path in compiled} == {unchecked}

    before = files(container.root, "function", "packages")
    options = ("--user", "0:0", "--env=PYTHONDONTWRITEBYTECODE=")  # would write missing bytecode
    done = container.run(PYTHON, "-m", "incidents.self_check", options=options)
    assert done.returncode == 0, done.stderr
    assert files(container.root, "function", "packages") == before


def test_the_packages_are_those_that_are_named(container: Container) -> None:
    text = "".join(file.read_text() for file in (REPOSITORY / "inference").glob("requirements*.txt"))
    requirements = re.findall(r"^([\w-]+)==(\S+)", text, flags=re.MULTILINE)
    named = {(name.lower().replace("-", "_"), version) for name, version in requirements}
    assert len(named) == 17
    folders = (container.root / "packages").glob("*.dist-info")
    found = {tuple(folder.name.removesuffix(".dist-info").split("-")) for folder in folders}
    assert {(name.lower(), version.partition("+")[0]) for name, version in found} == named
    for package in ("numpy", "transformers", "huggingface_hub", "sympy"):
        assert "ModuleNotFoundError" in container.run(PYTHON, "-c", f"import {package}").stderr


def test_every_user_can_read_all_and_none_but_root_can_write(container: Container) -> None:
    for folder in ("function", "packages"):
        for path in [container.root / folder, *(container.root / folder).rglob("*")]:
            status = path.stat()
            needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
            assert status.st_mode & needed == needed, path
            assert not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH), path
            assert (status.st_uid, status.st_gid) == (0, 0), path


def test_lambda_can_start_it(container: Container, config: dict[str, Any]) -> None:
    assert config["Entrypoint"] == [PYTHON, "-m", "awslambdaric"]
    assert (container.root / PYTHON[1:]).is_symlink()
    assert config["Cmd"] == ["similar.handler"]
    assert (config["User"], config["WorkingDir"]) == ("1001:1001", "/function")


def test_memory_that_a_layer_frees_is_kept_for_the_next(container: Container, config: dict[str, Any]) -> None:
    expected = {"MALLOC_MMAP_THRESHOLD_=33554432", "MALLOC_TRIM_THRESHOLD_=2147483647"}
    assert expected <= set(config["Env"])
    program = "import os; print(*(f'{key}={value}' for key, value in os.environ.items()), sep='\\n')"
    assert expected <= set(container.run(PYTHON, "-c", program).stdout.splitlines())


def test_it_holds_the_scripts_and_nothing_for_building_it(container: Container) -> None:
    found = {path.name for path in (container.root / "function").iterdir()}
    scripts = {f"{script}.py" for script in script_names()}
    assert found == scripts | {"page.html", "incidents", "model", "__pycache__"}
    model = files(REPOSITORY / "inference", "model")
    del model[Path("model/.copied-by-make")]
    assert {path: size for path, (size, _) in files(container.root / "function", "model").items()} == {
        path: size for path, (size, _) in model.items()
    }


def test_without_a_model_it_builds_and_says_what_is_missing(tmp_path: Path) -> None:
    context = tmp_path / "inference"
    shutil.copytree(REPOSITORY / "inference", context, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(context / "model")
    tag = f"{IMAGE}-without-model"
    build = [str(REPOSITORY / "scripts" / "docker_by_buildah.sh"), "build", "--tag", tag, str(context)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "no model in /function/model" in done.stdout + done.stderr
    container = Container(tag)
    try:
        answer = container.run(PYTHON, "-c", "import similar; print(similar.handler({'text': 'a robot'}, None))").stdout
        assert "model/model.safetensors: missing" in answer
        assert "'statusCode': 503" in answer
    finally:
        container.remove()
        buildah("rmi", tag)
