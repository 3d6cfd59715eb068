"""Where things are in a checkout if a command is not told otherwise."""

from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
SAMPLE: Final = REPOSITORY / "sample" / "incidents.jsonl"
MODEL_FOLDER: Final = REPOSITORY / "models" / "minilm"
OPENAPI: Final = REPOSITORY / "docs" / "openapi.json"
BENCH_FOLDER: Final = REPOSITORY / "docs" / "bench"
QUALITY_FOLDER: Final = REPOSITORY / "docs" / "quality"
CACHE_FOLDER: Final = REPOSITORY / ".cache"
VECTOR_CACHE: Final = CACHE_FOLDER / "vectors.sqlite"
"""Shared by all models, keyed by fingerprint; outside model folders, because those are deployed."""
DOWNLOADS: Final = CACHE_FOLDER / "downloads"
