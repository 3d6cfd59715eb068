"""How soon the image answers, how much memory it takes and how large it is."""

import gzip
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.servers.container import IMAGE, buildah

LONG_TEXT = "A robotaxi struck a pedestrian and dragged her along the street. " * 40


def test_how_soon_it_answers_and_how_much_memory_it_takes(
    start: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = []
    with start("similar") as runtime:
        for text in ("a robot", LONG_TEXT):
            before = time.perf_counter()
            runtime.invoke({"text": text})
            seconds.append(time.perf_counter() - before)
        peak = int(runtime.status()["VmHWM"].split()[0]) / 1024
    with capsys.disabled():
        print(f"\nfirst answer after {seconds[0]:.2f} s, a long text {seconds[1]:.2f} s, peak memory {peak:.0f} MiB")


def test_how_large_its_layers_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    buildah("push", "--quiet", IMAGE, f"oci:{tmp_path}:image")

    def blob(descriptor: dict[str, str]) -> Path:
        return tmp_path / "blobs" / "sha256" / descriptor["digest"].removeprefix("sha256:")

    (image,) = json.loads((tmp_path / "index.json").read_bytes())["manifests"]
    manifest = json.loads(blob(image).read_bytes())
    history = json.loads(blob(manifest["config"]).read_bytes())["history"]
    steps = [step["created_by"] for step in history if not step.get("empty_layer")]
    sizes = []
    for layer in manifest["layers"]:
        with gzip.open(blob(layer)) as file:
            sizes.append(file.seek(0, io.SEEK_END) / 1e6)
    with capsys.disabled():
        for step, layer, size in zip(steps, manifest["layers"], sizes, strict=True):
            what = step.partition(" in ")[2] or step
            print(f"\n{size:7.1f} MB, {layer['size'] / 1e6:6.1f} MB compressed: {what}", end="")
    packages = next(size for step, size in zip(steps, sizes, strict=True) if " in /packages" in step)
    assert packages < 550, "a build of torch for CUDA, or the packages that it names, would be far larger"
