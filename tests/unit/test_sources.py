"""What each source makes of its files; MongoDB has a file of its own."""

import bz2
import io
import json
import pickle
import tarfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.sources.incident import Report, Source
from scripts.sources.jsonl import JsonLines
from scripts.sources.legacy_pt import LegacyPt
from scripts.sources.snapshot import open_snapshot
from scripts.sources.staging import StagedIncidents
from scripts.sources.state_csv import StateCsv

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
Content = dict[tuple[int, str], list[tuple[int, str]]]


def content(source: Source) -> Content:
    """Incidents as (id, title), each with its reports as (number, text or why it is left out)."""
    return {
        (incident.incident_id, incident.title): [
            (report.number, report.left_out or report.text) for report in source.reports(incident)
        ]
        for incident in source.incidents()
    }


# JSON Lines


def test_json_lines(tmp_path: Path) -> None:
    lines = [
        {"incident_id": 9, "title": "Neun – ☃", "reports": [{"text": "w5"}, {"text": "w6", "url": "…"}], "date": "…"},
        {"incident_id": 4, "title": "Four", "reports": []},
    ]
    path = tmp_path / "some.jsonl"
    path.write_text("\r\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    source = JsonLines(path, "some")
    assert content(source) == {(9, "Neun – ☃"): [(1, "w5"), (2, "w6")], (4, "Four"): []}
    incidents = list(source.incidents())
    assert [list(source.reports(incident)) for incident in incidents[::-1]] == [[], [Report(1, "w5"), Report(2, "w6")]]


def test_what_cannot_be_printed_is_left_out_of_a_title(tmp_path: Path) -> None:
    (tmp_path / "some.jsonl").write_text('{"incident_id": 1, "title": "a\\ud800 \\ud83d\\ude00", "reports": []}')
    assert content(JsonLines(tmp_path / "some.jsonl", "some")) == {(1, "a \N{GRINNING FACE}"): []}


@pytest.mark.parametrize(
    "line",
    [
        b"", b"[]", b"{", b'"text"', b"\xff", b"[" * 100_000,
        b'{"incident_id": "1", "title": "One", "reports": []}',
        b'{"incident_id": 0, "title": "One", "reports": []}',
        b'{"incident_id": 99999999999999999999, "title": "One", "reports": []}',
        b'{"incident_id": true, "title": "One", "reports": []}',
        b'{"incident_id": 1, "title": 1, "reports": []}',
        b'{"incident_id": 1, "title": "One", "reports": ["a text"]}',
        b'{"incident_id": 1, "title": "One", "reports": [{"text": null}]}',
        b'{"incident_id": 1, "title": "One"}',
    ],
)  # fmt: skip
def test_a_line_that_is_no_incident_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "some.jsonl"
    path.write_bytes(b'{"incident_id": 2, "title": "Two", "reports": []}\n' + line + b"\n")
    with pytest.raises(ValueError, match="line 2: expected an object with incident_id"):
        content(JsonLines(path, "some"))


# What waits between a database and an index


def test_a_report_in_several_incidents_is_in_each_and_once() -> None:
    with StagedIncidents("") as staged:
        staged.add_incident(2, "Two", [11, 12, 11])
        staged.add_incident(1, "One", [12])
        staged.add_report(12, "twelve")
        staged.add_report(11, "eleven")
        staged.add_report(13, "nobody's")
        assert content(staged) == {(1, "One"): [(12, "twelve")], (2, "Two"): [(11, "eleven"), (12, "twelve")]}


def test_issue_reports_and_reports_that_are_not_there_are_left_out() -> None:
    with StagedIncidents("") as staged:
        staged.add_incident(1, "One", [11, 12, 13])
        staged.add_report(12, "twelve", is_incident_report=False)
        staged.add_report(13, "thirteen")
        reasons = [(11, "it is listed, but not there"), (12, "it reports on an issue, not on an incident")]
        assert content(staged) == {(1, "One"): [*reasons, (13, "thirteen")]}


def fold(staged: StagedIncidents, *pairs: tuple[int, int]) -> None:
    for duplicate, true_id in pairs:
        staged.add_duplicate(duplicate, true_id)
    staged.fold()


def test_duplicates_are_folded_along_chains() -> None:
    with StagedIncidents("") as staged:
        for number in range(1, 8):
            staged.add_incident(number, f"Title {number}", [10 * number, 99])
            staged.add_report(10 * number, f"text {number}")
        staged.add_report(99, "everybody's")
        fold(staged, (5, 3), (3, 1), (7, 6), (40, 1))  # 5 -> 3 -> 1; 40 has no row
        assert content(staged) == {
            (1, "Title 1"): [(10, "text 1"), (30, "text 3"), (50, "text 5"), (99, "everybody's")],
            (2, "Title 2"): [(20, "text 2"), (99, "everybody's")],
            (4, "Title 4"): [(40, "text 4"), (99, "everybody's")],
            (6, "Title 6"): [(60, "text 6"), (70, "text 7"), (99, "everybody's")],
        }


def test_duplicates_of_an_incident_that_is_not_there_stand_under_its_id() -> None:
    with StagedIncidents("") as staged:
        staged.add_incident(8, "Eight", [80])
        staged.add_incident(7, "Seven", [70])
        for number in (70, 80):
            staged.add_report(number, str(number))
        fold(staged, (7, 100), (8, 7))
        assert content(staged) == {(100, "Seven"): [(70, "70"), (80, "80")]}


@pytest.mark.parametrize(
    ("before", "pair", "message", "true_ids"),
    [
        ([], (1, 1), "expected 1 to be a duplicate of another, got a circle by 1", {}),
        ([(1, 2), (2, 3)], (3, 1), "expected 3 to be a duplicate of another, got a circle by 1", {1: 3, 2: 3}),
        ([(2, 3), (1, 2)], (3, 2), "circle", {1: 3, 2: 3}),
        ([(1, 2)], (1, 3), "expected 1 to be a duplicate of one incident, got 2 and 3", {1: 2}),
    ],
)
def test_a_duplicate_that_leads_nowhere_is_refused_and_the_others_are_folded(
    before: list[tuple[int, int]], pair: tuple[int, int], message: str, true_ids: dict[int, int]
) -> None:
    with StagedIncidents("") as staged:
        for number in (1, 2, 3, 4, 5):
            staged.add_incident(number, str(number), [])
        for duplicate, true_id in before:
            staged.add_duplicate(duplicate, true_id)
        with pytest.raises(ValueError, match=message):
            staged.add_duplicate(*pair)
        fold(staged, (5, 4), *before)  # and a pair twice
        assert staged.true_ids() == {1: 1, 2: 2, 3: 3, 4: 4, 5: 4} | true_ids


def test_what_is_there_twice_is_refused() -> None:
    with StagedIncidents("") as staged:
        staged.add_incident(1, "One", [])
        staged.add_report(11, "eleven")
        with pytest.raises(ValueError, match="expected every incident once, got 1 twice"):
            staged.add_incident(1, "One", [])
        with pytest.raises(ValueError, match="expected every report once, got 11 twice"):
            staged.add_report(11, "eleven")


@pytest.mark.parametrize("number", [0, -3, 2**63, 10**30])
def test_numbers_that_no_index_can_hold_are_refused(number: int) -> None:
    expected = rf"from 1 to 2\^63 - 1, got {number}$"
    with StagedIncidents("") as staged:
        staged.add_incident(2**63 - 1, "The last", [2**63 - 1])
        with pytest.raises(ValueError, match="expected an incident id " + expected):
            staged.add_incident(number, "One", [])
        with pytest.raises(ValueError, match="expected a report of incident 1 to have a number " + expected):
            staged.add_incident(1, "One", [11, number])
        with pytest.raises(ValueError, match="expected a report number " + expected):
            staged.add_report(number, "eleven")
        with pytest.raises(ValueError, match="expected the id of a duplicate " + expected):
            staged.add_duplicate(number, 1)
        with pytest.raises(ValueError, match="expected the true incident of 1 to have an id " + expected):
            staged.add_duplicate(1, number)
        left_out = "it is listed, but not there"
        assert content(staged) == {(2**63 - 1, "The last"): [(2**63 - 1, left_out)]}


def test_a_stored_vector_comes_with_its_text() -> None:
    with StagedIncidents("") as staged:
        staged.add_incident(1, "One", [11])
        staged.add_report(11, "eleven", vector=[0.1, 2.0])
        (incident,) = staged.incidents()
        (report,) = staged.reports(incident)
        assert report.vector is not None
        assert torch.equal(report.vector, torch.tensor([0.1, 2.0]))


# The weekly snapshot

INCIDENTS = """\
_id,incident_id,date,reports,Alleged deployer of AI system,description,title
ObjectId(1),3,2020-01-02,"[30,31]","[""youtube""]","A description, with
a line break and ""quotes"".",Three
ObjectId(2),1,2020-01-02,[10],[],First,One
ObjectId(3),2,2020-01-02,[20],[],Second,Two
"""
REPORTS = '''\
"report_number","title","text","language"
"30","A title","A *long* text,
with ""quotes""","en"
"31","A title","","en"
"20","Ein Titel","Ein Käfer","de"
"10","A title","ten","en"
'''
DUPLICATES = "duplicate_incident_number,true_incident_number\n2,1\n90,3\n"
FILES = {"incidents.csv": INCIDENTS, "duplicates.csv": DUPLICATES, "reports.csv": REPORTS}
FOLDED = {
    (1, "One"): [(10, "ten"), (20, "Ein Käfer")],
    (3, "Three"): [(30, 'A *long* text,\nwith "quotes"'), (31, "")],
}


def write_archive(path: Path, files: dict[str, str], folder: str = "mongodump_full_snapshot/") -> None:
    others = {"aiidprod/reports.bson": "\0" * 100_000, "aiidprod/incidents.csv": "another", "license.txt": "CC BY-SA"}
    with tarfile.open(path, "w:bz2") as archive:
        for name, text in (others | files).items():
            member = tarfile.TarInfo(folder + name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))


def take_in(place: Path, tmp_path: Path) -> tuple[Content, str, list[str]]:
    with open_snapshot(str(place), tmp_path / "downloads") as staged:
        return content(staged), staged.name, staged.notes


def test_a_snapshots_archive_and_its_folder_hold_the_same(tmp_path: Path) -> None:
    write_archive(tmp_path / "backup-20260223100000.tar.bz2", FILES)
    found = take_in(tmp_path / "backup-20260223100000.tar.bz2", tmp_path)
    assert found == (FOLDED, "snapshot:backup-20260223100000.tar.bz2", [])

    folder = tmp_path / "backup" / "mongodump_full_snapshot"
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    assert take_in(folder, tmp_path) == (FOLDED, "snapshot:mongodump_full_snapshot", [])
    assert take_in(folder.parent, tmp_path) == (FOLDED, "snapshot:backup", [])


def test_titles_and_descriptions_stand_in_for_reports(tmp_path: Path) -> None:
    del (files := dict(FILES))["reports.csv"]
    write_archive(tmp_path / "backup.tar.bz2", files)
    found, name, notes = take_in(tmp_path / "backup.tar.bz2", tmp_path)
    assert found == {
        (1, "One"): [(1, "One\n\nFirst"), (2, "Two\n\nSecond")],
        (3, "Three"): [(3, 'Three\n\nA description, with\na line break and "quotes".')],
    }
    assert name == "snapshot:backup.tar.bz2, titles and descriptions"
    assert notes == ["reports.csv is not there: an incident's title and description stand in for its reports"]


def test_without_duplicates_nothing_is_folded(tmp_path: Path) -> None:
    del (files := dict(FILES))["duplicates.csv"]
    write_archive(tmp_path / "backup.tar.bz2", files)
    found, _, notes = take_in(tmp_path / "backup.tar.bz2", tmp_path)
    assert [incident_id for incident_id, _ in found] == [1, 2, 3]
    assert notes == ["duplicates.csv is not there: duplicates were not folded"]


def test_reports_on_issues_are_left_out_where_the_snapshot_says_so(tmp_path: Path) -> None:
    reports = "report_number,text,is_incident_report\n10,ten,true\n20,twenty,false\n30,thirty,\n31,thirty-one,FALSE\n"
    write_archive(tmp_path / "backup.tar.bz2", FILES | {"reports.csv": reports})
    found, _, _ = take_in(tmp_path / "backup.tar.bz2", tmp_path)
    left_out = "it reports on an issue, not on an incident"
    assert found == {
        (1, "One"): [(10, "ten"), (20, left_out)],
        (3, "Three"): [(30, "thirty"), (31, left_out)],
    }


def test_a_report_longer_than_the_csv_modules_limit_is_read(tmp_path: Path) -> None:
    write_archive(tmp_path / "backup.tar.bz2", FILES | {"reports.csv": "report_number,text\n10," + "w5 " * 100_000})
    assert take_in(tmp_path / "backup.tar.bz2", tmp_path)[0][1, "One"][0] == (10, "w5 " * 100_000)


@pytest.mark.parametrize("length", [0, 10, 100, -50])
def test_a_truncated_archive_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "backup.tar.bz2"
    write_archive(path, FILES | {"reports.csv": REPORTS + "".join(f"{n},a,{n},en\n" for n in range(100, 9000))})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"backup\.tar\.bz2: damaged or foreign, expected a snapshot as \.tar\.bz2"):
        take_in(path, tmp_path)


ORDER = ("incidents.csv", "duplicates.csv", "reports.csv")


def unpacked_archive(tmp_path: Path, names: tuple[str, ...] = ORDER) -> bytes:
    """Of each file a header and its content, 512 bytes each; then blocks of zeros."""
    with tarfile.open(tmp_path / "whole.tar", "w") as archive:
        for name in names:
            content = "incident_id,title,description,reports\n1,One,First,[10]\n" if name == ORDER[0] else FILES[name]
            member = tarfile.TarInfo(f"mongodump_full_snapshot/{name}")
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))
    return (tmp_path / "whole.tar").read_bytes()


@pytest.mark.parametrize("edges", [[0], [0, 600], [0, 1024, 1100]])
@pytest.mark.parametrize("length", [1024, 1024 + 100, 2048, 2048 + 511, 2048 + 512])
def test_an_archive_that_was_cut_before_it_was_packed_is_refused(tmp_path: Path, length: int, edges: list[int]) -> None:
    """It must not be taken for one without reports."""
    packed, path = unpacked_archive(tmp_path)[:length], tmp_path / "backup.tar.bz2"
    path.write_bytes(b"".join(bz2.compress(packed[start:end]) for start, end in pairwise([*edges, length])))
    with pytest.raises(ValueError, match=r"backup\.tar\.bz2: (cut, expected .*reports\.csv or the archive|damaged)"):
        take_in(path, tmp_path)


def test_an_archive_in_several_streams_is_read_to_its_end(tmp_path: Path) -> None:
    """As pbzip2 packs them."""
    packed, path = unpacked_archive(tmp_path), tmp_path / "backup.tar.bz2"
    streams = [bz2.compress(packed[start : start + 700]) for start in range(0, len(packed), 700)]
    path.write_bytes(b"".join(streams))
    assert take_in(path, tmp_path)[0] == {(1, "One"): [(10, "ten")]}
    path.write_bytes(b"".join(streams[:3]) + streams[3][:-20])
    with pytest.raises(ValueError, match="damaged or foreign"):
        take_in(path, tmp_path)


def test_an_archive_without_incidents_is_named(tmp_path: Path) -> None:
    path = tmp_path / "backup.tar.bz2"
    path.write_bytes(bz2.compress(unpacked_archive(tmp_path, ORDER[1:])))
    with pytest.raises(ValueError, match=rf"^{path}: expected a snapshot, got no incidents\.csv in it$"):
        take_in(path, tmp_path)


@pytest.mark.parametrize("kind", [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE])
def test_reports_that_are_no_file_are_not_missing(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "backup.tar.bz2", "w:bz2") as archive:
        member = tarfile.TarInfo("mongodump_full_snapshot/reports.csv")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(ValueError, match=r"damaged or foreign, .*: reports\.csv is no file"):
        take_in(tmp_path / "backup.tar.bz2", tmp_path)
    (tmp_path / "folder" / "reports.csv").mkdir(parents=True)
    (tmp_path / "folder" / "incidents.csv").write_text(INCIDENTS)
    with pytest.raises(IsADirectoryError, match=r"reports\.csv"):
        take_in(tmp_path / "folder", tmp_path)


@pytest.mark.parametrize("foreign", [b"no archive", bz2.compress(b"no archive" * 1000), b"PK\3\4" + b"\0" * 1000])
def test_a_foreign_file_is_refused(tmp_path: Path, foreign: bytes) -> None:
    (tmp_path / "backup.tar.bz2").write_bytes(foreign)
    with pytest.raises(ValueError, match="damaged or foreign, expected a snapshot"):
        take_in(tmp_path / "backup.tar.bz2", tmp_path)


def test_an_archive_writes_nowhere_else(tmp_path: Path) -> None:
    write_archive(tmp_path / "backup.tar.bz2", FILES, folder="../")
    (tmp_path / "inner").mkdir()
    assert take_in(tmp_path / "backup.tar.bz2", tmp_path / "inner")[0] == FOLDED
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["backup.tar.bz2", "inner"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("incidents.csv", "", "incidents.csv, line 0: expected the columns incident_id, title, reports, got None"),
        ("incidents.csv", "a,b\n1,2\n", r"incidents.csv, line 1: expected the columns .* got \['a', 'b'\]"),
        ("incidents.csv", INCIDENTS[:-9], "incidents.csv, line 5: expected 7 columns, got another number"),
        (
            "incidents.csv",
            INCIDENTS.replace(",1,", ",one,"),
            "line 4: expected incident_id to be a whole number, got 'one'",
        ),
        ("incidents.csv", INCIDENTS.replace("[10]", "ten"), "incidents.csv, line 4: "),
        ("incidents.csv", INCIDENTS.replace("[10]", '"[""10""]"'), "line 4: expected a list of report numbers"),
        ("incidents.csv", INCIDENTS + INCIDENTS.split("\n", 1)[1], "expected every incident once, got 3 twice"),
        (
            "incidents.csv",
            INCIDENTS.replace(",1,", f",{10**20 - 1},"),
            "line 4: expected an incident id from 1 to 2.63",
        ),
        (
            "incidents.csv",
            INCIDENTS.replace("[10]", "[0]"),
            "line 4: expected a report of incident 1 to have a number from 1",
        ),
        ("incidents.csv", INCIDENTS.replace("[10]", "[" * 100_000), "incidents.csv, line 4: .*recursion"),
        ("reports.csv", REPORTS[:-20], "reports.csv, line 5: unexpected end of data"),
        ("reports.csv", REPORTS + '"10","","",""\n', "line 7: expected every report once, got 10 twice"),
        ("duplicates.csv", DUPLICATES + "1,2\n", "circle"),
        ("duplicates.csv", DUPLICATES + "3,0\n", "expected the true incident of 3 to have an id from 1 to "),
        ("duplicates.csv", DUPLICATES + "1\n", "duplicates.csv, line 4: expected 2 columns"),
    ],
)
def test_a_damaged_file_of_a_snapshot_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    write_archive(tmp_path / "backup.tar.bz2", FILES | {name: text})
    with pytest.raises(ValueError, match=message):
        take_in(tmp_path / "backup.tar.bz2", tmp_path)


PRIVATE = "what somebody wrote " * 100


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("reports.csv", f'10,"{PRIVATE}"\n'),
        ("reports.csv", f'report_number,text\n"{PRIVATE}",10\n'),
        ("incidents.csv", f"incident_id,title,reports\n1,One,{PRIVATE}\n"),
        ("incidents.csv", f'incident_id,title,reports\n1,One,"""{PRIVATE}"""\n'),
        ("duplicates.csv", f"duplicate_incident_number,true_incident_number\n1,{PRIVATE}\n"),
    ],
)
def test_a_text_in_the_wrong_place_is_not_shown(tmp_path: Path, name: str, text: str) -> None:
    for filename, content in (FILES | {name: text}).items():
        (tmp_path / filename).write_text(content)
    with pytest.raises(ValueError, match=name) as refused:
        take_in(tmp_path, tmp_path)
    assert len(str(refused.value)) < 200


def test_a_text_in_the_wrong_place_of_a_line_or_a_state_is_not_shown(tmp_path: Path) -> None:
    for line in (b'{"text": "' + PRIVATE.encode() + b'\xff"}', json.dumps({"incident_id": PRIVATE}).encode(),
                 json.dumps({"incident_id": PRIVATE, "title": "", "reports": []}).encode()):  # fmt: skip
        (tmp_path / "some.jsonl").write_bytes(line)
        with pytest.raises(ValueError, match=r"some\.jsonl, line 1") as refused:
            content(JsonLines(tmp_path / "some.jsonl", "some"))
        assert "somebody wrote what" not in str(refused.value)
    (tmp_path / "state.csv").write_text(PRIVATE)
    with pytest.raises(ValueError, match=r"state\.csv") as refused:
        list(StateCsv(tmp_path / "state.csv").incidents())
    assert "somebody wrote what" not in str(refused.value)


def test_a_snapshot_without_incidents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"incidents\.csv"):
        take_in(tmp_path, tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        take_in(tmp_path / "nowhere", tmp_path)


@pytest.mark.skipif(not (SHARED / "aiid").is_dir(), reason="the real incidents are not on this machine")
def test_the_real_incidents(tmp_path: Path) -> None:
    """1,367 rows; of the 13 duplicates two have a row: 88, in the chain 342 -> 88 -> 1057, and 637."""
    found, _, _ = take_in(SHARED / "aiid", tmp_path)
    assert len(found) == 1365
    assert sum(len(reports) for reports in found.values()) == 1367
    numbers = {incident_id: [number for number, _ in reports] for (incident_id, _), reports in found.items()}
    assert (numbers[1057], numbers[112]) == ([88, 1057], [112, 637])
    assert numbers.keys().isdisjoint({88, 342, 637})


# The original service's files


def test_the_state_of_the_original_service(tmp_path: Path) -> None:
    (tmp_path / "state.csv").write_text('incident_id,count,mean\n5,3,"[0.5, 1, -2e-3]"\n2,1,"[1.0, 0.0, 0.0]"\n')
    source = StateCsv(tmp_path / "state.csv")
    found = {
        (incident.incident_id, incident.title): [(report.n_texts, report.vector) for report in source.reports(incident)]
        for incident in source.incidents()
    }
    assert found.keys() == {(5, "Incident 5"), (2, "Incident 2")}
    ((n_texts, vector),) = found[5, "Incident 5"]
    assert n_texts == 3
    assert vector is not None
    assert torch.equal(vector, torch.tensor([0.5, 1.0, -0.002]))


@pytest.mark.parametrize(
    "text",
    [
        "", "a,b\n", "incident_id,count,mean\n1,2\n", 'incident_id,count,mean\n1,2,"[0.5',
        "incident_id,count,mean\none,2,[0.5]\n", "incident_id,count,mean\n1,2.5,[0.5]\n",
        "incident_id,count,mean\n1,1" + "0" * 30 + ",[0.5]\n", "incident_id,count,mean\n9" + "0" * 19 + ",1,[0.5]\n",
        "incident_id,count,mean\n0,2,[0.5]\n", "incident_id,count,mean\n1,-2,[0.5]\n",
        "incident_id,count,mean\n1,2,[0.5\n", 'incident_id,count,mean\n1,2,"[0.5, null]"\n',
        "incident_id,count,mean\n1,2," + "[" * 100_000, "incident_id,count,mean\n1,2,[1" + "0" * 400 + "]\n",
    ],
)  # fmt: skip
def test_another_kind_of_state_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.csv").write_text(text)
    with pytest.raises(ValueError, match=r"state\.csv, line \d: expected incident_id and count \(whole numbers in"):
        list(StateCsv(tmp_path / "state.csv").incidents())


def test_the_vectors_of_the_original_service(tmp_path: Path) -> None:
    first, third = torch.tensor([[1.0, 0.0], [3.0, 4.0]], requires_grad=True), torch.tensor([[7.0, 7.0]])
    torch.save([first, None, third], tmp_path / "incident_cls.pt")
    source = LegacyPt(tmp_path / "incident_cls.pt")
    found = {
        incident.incident_id: [
            (report.number, report.vector.tolist()) for report in source.reports(incident) if report.vector is not None
        ]
        for incident in source.incidents()
    }
    assert found == {1: [(1, [1.0, 0.0]), (2, [3.0, 4.0])], 3: [(1, [7.0, 7.0])]}


class Hostile:
    """Unpickles by making a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Path]]:
        return Path.mkdir, (self.folder,)


@pytest.mark.parametrize(
    ("write", "got"),
    [
        (lambda path: path.write_bytes(b""), "damaged, foreign or would run code"),
        (lambda path: path.write_text("no tensors"), "damaged, foreign or would run code"),
        (lambda path: torch.save([Hostile(path.parent / "made")], path), "damaged, foreign or would run code"),
        (lambda path: path.write_bytes(pickle.dumps([Hostile(path.parent / "made")])), "would run code"),
        (lambda path: torch.save({"ids": torch.ones(2)}, path), "got dict"),
        (lambda path: torch.save([None, torch.ones(2)], path), r"got torch.float32 of shape \(2,\), .* at position 1"),
        (lambda path: torch.save([torch.ones(2, 2).double()], path), "got torch.float64 of shape"),
        (lambda path: torch.save([[0.5]], path), "got list at position 0"),
        (lambda path: torch.save([torch.eye(2).to_sparse()], path), "torch.sparse_coo on cpu at position 0"),
        (lambda path: torch.save([torch.ones(2, 2, device="meta")], path), "on meta at position 0"),
    ],
)
def test_another_kind_of_vectors_is_refused(tmp_path: Path, write: Callable[[Path], object], got: str) -> None:
    write(tmp_path / "incident_cls.pt")
    with pytest.raises(ValueError, match=rf"incident_cls\.pt: expected a list that has for each incident .*{got}"):
        list(LegacyPt(tmp_path / "incident_cls.pt").incidents())
    assert not (tmp_path / "made").exists()


def test_a_truncated_file_of_vectors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "incident_cls.pt"
    torch.save([torch.ones(20, 20)], path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 50):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="damaged"):
            list(LegacyPt(path).incidents())
