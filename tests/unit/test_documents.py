"""What the README says is so."""

import dataclasses
import json
import re
from pathlib import Path

from incidents.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text()


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    documented = dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]*?) *\|", README, flags=re.MULTILINE))
    names = {field.name.upper(): field.name for field in dataclasses.fields(Settings)}
    names["TRANSFORMERS_CACHE"] = names.pop("CACHE_FOLDER")
    assert documented.keys() == names.keys()
    assert documented.pop("ENCODER_THREADS") == "the CPUs there are"
    for variable, default in documented.items():
        assert default == (f"`{value}`" if (value := getattr(Settings.from_mapping({}), names[variable])) else "")


def test_the_readme_lists_the_targets_that_make_lists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    described = re.findall(r"^([a-z-]+):.*## (.*)$", makefile, flags=re.MULTILINE)
    assert [f"make {target:<13} {text}" for target, text in described] == re.findall(
        r"^make [a-z-]+ {2,}.*$", README, flags=re.MULTILINE
    )


def test_files_the_readme_names_exist() -> None:
    for name in re.findall(r"`((?:inference|scripts|docs|sample)/[\w./-]*)`", README):
        assert (REPOSITORY / name).exists(), name


def test_dependencies_have_exact_versions() -> None:
    files = [
        "inference/requirements.txt",
        "inference/requirements-image.txt",
        "scripts/requirements.txt",
        "requirements-dev.txt",
        "scripts/minilm.lock",
        "tests/emulator.lock",
    ]
    for file in files:
        for line in (REPOSITORY / file).read_text().splitlines():
            assert re.match(r"#|[\w-]+(\[[\w,]+\])?==\d[\w.]*( |$)", line), f"{file}: {line}"


def test_the_speeds_in_the_readme_are_those_that_were_measured() -> None:
    measured = json.loads((REPOSITORY / "docs" / "bench" / "bench.json").read_text())
    rows = []
    for row in measured["encode"]:
        reached = row.get("reading weights / ours") or row["ours / mm rate"]
        start = f"| {row['tokens']} | {row['ours ms']:.0f} | {row['transformers ms']:.0f} |"
        rows.append(rf"{start} {row['transformers / ours']:.1f} | .* | {reached:.0%} |")
    for row in measured["cold start"]:
        seconds = [f"{row[f'{name} ms'] / 1e3:.1f}" for name in ("ours", "transformers", "torch")]
        peaks = [f"{row[f'{name} peak MiB']:.0f}" for name in ("ours", "transformers")]
        rows.append(
            f"| {row['tokens']} | {' | '.join(seconds)} | {row['transformers / ours']:.1f} | {' | '.join(peaks)} |"
        )
    for row in rows:
        assert re.search(row.replace("|", r"\|"), README), row
    ranked = {row["incidents"]: row for row in measured["rank"]}
    assert f"10,000 incidents is {ranked[10_000]['loop / ours']:.0f} times as fast" in README
    assert f"a million takes {ranked[1_000_000]['ours / one pass']:.2f} times one pass" in README
    assert f"An index loads {measured['load'][0]['csv / ours']:.0f} times" in README
    assert f"by at most {max(row['max difference'] for row in measured['encode']):.0e}." in README
