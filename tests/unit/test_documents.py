"""What the README says is so."""

import dataclasses
import json
import re
from pathlib import Path

from incidents.settings import Settings
from infrastructure.settings import Settings as StackSettings
from scripts.sources.spec import SPECS

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text()


def settings_under(heading: str) -> dict[str, str]:
    """The variables in the table under a heading of the README, with their defaults as they are written."""
    (section,) = re.findall(rf"^### {heading}\n(.*?)^##", README, flags=re.MULTILINE | re.DOTALL)
    return dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]*?) *\|", section, flags=re.MULTILINE))


def test_every_setting_of_the_service_is_in_the_readme_with_its_default() -> None:
    documented = settings_under("Settings")
    names = {field.name.upper(): field.name for field in dataclasses.fields(Settings)}
    names["TRANSFORMERS_CACHE"] = names.pop("CACHE_FOLDER")
    assert documented.keys() == names.keys()
    assert documented.pop("ENCODER_THREADS") == "the CPUs there are"
    for variable, default in documented.items():
        assert default == (f"`{value}`" if (value := getattr(Settings.from_mapping({}), names[variable])) else "")


def test_every_setting_of_the_stack_is_in_the_readme_with_its_default() -> None:
    documented = settings_under("Settings of the stack")
    defaults = {name.upper(): value for name, value in vars(StackSettings.from_mapping({})).items()}
    defaults["CORS_ALLOW_ORIGINS"] = defaults.pop("CORS_ORIGINS")
    assert documented.keys() == defaults.keys()
    for variable, default in documented.items():
        assert (default == "") is (defaults[variable] is None), variable
    given = {variable: default.strip("`") for variable, default in documented.items()}
    assert StackSettings.from_mapping(given) == StackSettings.from_mapping({})


def test_the_readme_lists_the_targets_that_make_lists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    described = re.findall(r"^([a-z-]+):.*## (.*)$", makefile, flags=re.MULTILINE)
    assert [f"make {target:<15} {text}" for target, text in described] == re.findall(
        r"^make [a-z-]+ +[A-Z].*$", README, flags=re.MULTILINE
    )


def test_files_the_readme_names_exist() -> None:
    for name in re.findall(r"`((?:inference|infrastructure|scripts|docs|sample)/[\w./-]*)`", README):
        assert (REPOSITORY / name).exists(), name


def test_a_model_is_published_where_it_is_looked_for_by_default() -> None:
    (name,) = re.findall(r"^\$ aws s3 sync models/longformer s3://BUCKET/models/(\S+) ", README, flags=re.MULTILINE)
    assert name == Settings.from_mapping({}).hf_model_uri


def test_every_source_of_incidents_is_in_the_readme() -> None:
    (section,) = re.findall(r"^## An index of real incidents\n(.*?)^## ", README, flags=re.MULTILINE | re.DOTALL)
    rows = "".join(line for line in section.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"^  ([a-z-]+)", SPECS, flags=re.MULTILINE)) == set(re.findall(r"`([a-z-]+)[:`]", rows))


def test_dependencies_have_exact_versions() -> None:
    files = [
        "inference/requirements.txt",
        "inference/requirements-image.txt",
        "scripts/requirements.txt",
        "scripts/requirements-job.txt",
        "scripts/requirements-serve.txt",
        "scripts/requirements-job.txt",
        "scripts/models/minilm.lock",
        "requirements.txt",
        "requirements-dev.txt",
        "tests/support/emulator.lock",
    ]
    for file in files:
        for line in (REPOSITORY / file).read_text().splitlines():
            assert re.match(r"#|[\w.-]+(\[[\w,]+\])?==\d[\w.]*( |$)", line), f"{file}: {line}"


def test_the_cdk_command_line_has_an_exact_version_and_comes_from_wherever_npm_looks() -> None:
    (version,) = json.loads((REPOSITORY / "package.json").read_text())["devDependencies"].values()
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    locked = json.loads((REPOSITORY / "package-lock.json").read_text())["packages"]
    assert locked["node_modules/aws-cdk"]["version"] == version
    for name, package in locked.items():
        assert "resolved" not in package
        assert not name or package["integrity"].startswith("sha512-")


def test_the_speeds_in_the_readme_are_those_that_were_measured() -> None:
    measured = json.loads((REPOSITORY / "docs" / "bench" / "bench.json").read_text())
    rows = []
    for row in measured["encode"]:
        start = f"| {row['tokens']} | {row['ours ms']:.0f} | {row['transformers ms']:.0f} |"
        yardsticks = f"{row['reading weights / ours']:.0%} | {row['products by oneDNN / ours']:.0%}"
        rows.append(f"{start} {row['transformers / ours']:.1f} | {yardsticks} |")
    for row in measured["cold start"]:
        seconds = [f"{row[f'{name} ms'] / 1e3:.1f}" for name in ("ours", "transformers", "torch")]
        peaks = [
            f"{row[f'{name} {kind} MiB']:.0f}" for kind in ("private", "resident") for name in ("ours", "transformers")
        ]
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


def test_the_costs_follow_from_prices_settings_and_speeds() -> None:
    page = (REPOSITORY / "docs" / "cost.md").read_text()
    measured = json.loads((REPOSITORY / "docs" / "bench" / "bench.json").read_text())["encode"]
    seconds = {row["tokens"]: row["ours ms"] / 1000 for row in measured}
    stack = StackSettings.from_mapping({})
    gigabytes = stack.lambda_memory_mb / 1024
    x86, arm = (float(price) for price in re.findall(r"^\| Lambda, \w+ \| ([\d.]+) per GB-second", page, re.MULTILINE))
    assert (
        f"10,000 × {seconds[1000]:.3f} s × {gigabytes:.2f} GB | {10_000 * seconds[1000] * gigabytes * x86:.2f} |"
        in page
    )
    assert f"arm64: {10_000 * seconds[1000] * gigabytes * arm:.2f} " in page
    assert f"100 cold starts of 5 s | {100 * 5 * gigabytes * x86:.2f} |" in page
    assert f"some {400_000 / (seconds[1000] * gigabytes) / 1000:.0f},000 such texts" in page
    a_day = stack.throttle_requests_per_second * 86_400 * seconds[4096] * gigabytes * x86
    assert f"{seconds[4096]:.3f} seconds on two CPUs, day and night, are {a_day:.0f} dollars" in page
    tables = re.findall(
        r"^\| what \| dollars .*?\| \*\*together\*\* \| \*\*([\d.]+)\*\*", page, re.MULTILINE | re.DOTALL
    )
    bodies = re.findall(r"^\| what \| dollars .*?(?=\| \*\*together)", page, re.MULTILINE | re.DOTALL)
    for body, together in zip(bodies, tables, strict=True):
        parts = [float(part) for part in re.findall(r"^\| [^|]+ \| (\d+\.\d\d) \|", body, re.MULTILINE)]
        assert f"{sum(parts):.2f}" == together
