"""The audit of the stack, which `make check` runs: it fails for each kind of mismatch."""

from pathlib import Path

import pytest

from infrastructure import audit


def test_a_finding_without_an_acknowledgment_fails_the_audit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    others = {finding: reason for finding, reason in audit.ACKNOWLEDGED.items() if "S1" not in finding[1]}
    assert len(others) == len(audit.ACKNOWLEDGED) - 1
    monkeypatch.setattr(audit, "ACKNOWLEDGED", others)
    with pytest.raises(SystemExit, match=r"findings that infrastructure/audit\.py does not acknowledge"):
        audit.audit(tmp_path, {})


def test_an_acknowledgment_without_a_finding_fails_the_audit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(audit.ACKNOWLEDGED, ("IndexStore/Bucket", "AwsSolutions::AwsSolutions-S10"), "no reason")
    assert audit.main(["--output", str(tmp_path)]) == 1
    assert "[('IndexStore/Bucket', 'AwsSolutions::AwsSolutions-S10')]" in capsys.readouterr().err
