"""The audit that `make check` runs fails when it should."""

from pathlib import Path

import pytest

from infrastructure import audit as audit_stack


def test_a_finding_without_an_acknowledgement_ends_the_audit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    others = {finding: reason for finding, reason in audit_stack.ACKNOWLEDGED.items() if "S1" not in finding[1]}
    assert len(others) == len(audit_stack.ACKNOWLEDGED) - 1
    monkeypatch.setattr(audit_stack, "ACKNOWLEDGED", others)
    with pytest.raises(SystemExit, match="findings that are not acknowledged"):
        audit_stack.audit(tmp_path, {})


def test_an_acknowledgement_of_nothing_fails_the_audit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(audit_stack.ACKNOWLEDGED, ("IndexStore/Bucket", "AwsSolutions::AwsSolutions-S10"), "no reason")
    monkeypatch.setattr("sys.argv", ["audit_stack.py", "--output", str(tmp_path)])
    assert audit_stack.main() == 1
    assert "[('IndexStore/Bucket', 'AwsSolutions::AwsSolutions-S10')]" in capsys.readouterr().err
