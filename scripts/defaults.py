"""Where things are in a checkout when a command does not say."""

from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[1]
SAMPLE: Final = REPOSITORY / "sample" / "incidents.jsonl"
MODEL_FOLDER: Final = REPOSITORY / "models" / "minilm"
INDEX_FILENAME: Final = "incident_cls.pt"
"""The index lies in the folder of the model that it was built with."""
