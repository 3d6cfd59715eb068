"""The generated parts of the documents are up to date."""

import subprocess
import sys

from support.documents import DOCUMENTS, REPOSITORY


def test_generated_parts_are_up_to_date() -> None:
    generated = [document for document in DOCUMENTS if "[[[cog" in document.read_text()]
    assert len(generated) >= 5
    command = [sys.executable, "-m", "cogapp", "--check", "-I", "docs", *map(str, generated)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"`make docs` updates them\n{done.stdout}\n{done.stderr}"
