"""Incidents from the weekly snapshot of the AI Incident Database."""

import bz2
import io
import tarfile
from itertools import pairwise
from pathlib import Path

import pytest

from scripts.sources.snapshot import open_snapshot
from support.staged import Content, content, metadata

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
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
    (3, "Three"): [(30, 'A long text,\nwith "quotes"'), (31, "")],
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


def test_reports_on_issues_are_excluded(tmp_path: Path) -> None:
    reports = "report_number,text,is_incident_report\n10,ten,true\n20,twenty,false\n30,thirty,\n31,thirty-one,FALSE\n"
    write_archive(tmp_path / "backup.tar.bz2", FILES | {"reports.csv": reports})
    found, _, _ = take_in(tmp_path / "backup.tar.bz2", tmp_path)
    issue = "it reports on an issue, not on an incident"
    assert found == {
        (1, "One"): [(10, "ten"), (20, issue)],
        (3, "Three"): [(30, "thirty"), (31, issue)],
    }


def test_what_a_snapshot_says_of_incidents_and_reports(tmp_path: Path) -> None:
    write_archive(
        tmp_path / "backup.tar.bz2",
        {
            "incidents.csv": "incident_id,date,title,reports\n"
            '1,2020-01-02,One,"[10,11]"\n2,,Two,[20]\n3,in 2019,Three,[]\n',
            "reports.csv": "date_published,report_number,text,title,url\n"
            '2020-01-03,10,ten,"A title, ""quoted""",https://example.org/10\n'
            "2020-01-04T00:00:00.000Z,11,eleven,,\n"
            "soon,20,twenty,Twenty,https://example.org/20\n",
        },
    )
    with open_snapshot(str(tmp_path / "backup.tar.bz2"), tmp_path / "downloads") as staged:
        assert metadata(staged) == {
            (1, "2020-01-02", ""): [
                (10, 'A title, "quoted"', "https://example.org/10", "2020-01-03"), (11, "", "", "2020-01-04"),
            ],
            (2, "", ""): [(20, "Twenty", "https://example.org/20", "")],
            (3, "", ""): [],
        }  # fmt: skip


def test_columns_that_a_snapshot_does_not_have_are_not_known(tmp_path: Path) -> None:
    incidents = "incident_id,title,reports,description\n1,One,[10],First\n"
    write_archive(
        tmp_path / "backup.tar.bz2", {"incidents.csv": incidents, "reports.csv": "report_number,text\n10,ten\n"}
    )
    with open_snapshot(str(tmp_path / "backup.tar.bz2"), tmp_path / "downloads") as staged:
        assert metadata(staged) == {(1, "", ""): [(10, "", "", "")]}
    write_archive(tmp_path / "titles.tar.bz2", {"incidents.csv": incidents})
    with open_snapshot(str(tmp_path / "titles.tar.bz2"), tmp_path / "downloads") as staged:
        assert metadata(staged) == {(1, "", ""): [(1, "", "", "")]}


def test_a_report_longer_than_the_csv_modules_limit_is_read(tmp_path: Path) -> None:
    write_archive(tmp_path / "backup.tar.bz2", FILES | {"reports.csv": "report_number,text\n10," + "w5 " * 100_000})
    assert take_in(tmp_path / "backup.tar.bz2", tmp_path)[0][1, "One"][0] == (10, ("w5 " * 100_000).strip())


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
def test_reports_that_are_not_a_file_are_refused(tmp_path: Path, kind: bytes) -> None:
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
    for filename, written in (FILES | {name: text}).items():
        (tmp_path / filename).write_text(written)
    with pytest.raises(ValueError, match=name) as refused:
        take_in(tmp_path, tmp_path)
    assert len(str(refused.value)) < 200


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
    with open_snapshot(str(SHARED / "aiid"), tmp_path / "downloads") as staged:
        dates = {incident.incident_id: incident.date for incident in staged.incidents()}
    assert (dates[1], dates[1057], "" in dates.values()) == ("2015-05-19", "2017-08-15", False)
