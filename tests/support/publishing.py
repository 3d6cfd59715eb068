"""A bucket in a simulated S3, and what tests publish in it."""

import hashlib
from pathlib import Path
from typing import Any

import boto3
import torch

from incidents.index.encoder_info import EncoderInfo
from incidents.index.file import save_index
from incidents.index.incident_index import IncidentIndex
from incidents.store.bucket import SHA256_KEY
from support.tiny import make_index

BUCKET = "published-indexes"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


def make_bucket() -> Any:
    """Create a versioned bucket and return a client."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return s3


def index_of(encoder: EncoderInfo, *ids: int) -> IncidentIndex:
    """An index with an incident for each id; all vectors are equal."""
    return make_index(dict.fromkeys(ids, torch.ones(encoder.width)), encoder)


def put(s3: Any, content: bytes, **metadata: str) -> None:
    """Publish bytes unchecked."""
    metadata = {SHA256_KEY: hashlib.sha256(content).hexdigest()} | metadata
    s3.put_object(Bucket=BUCKET, Key="incident_cls.pt", Body=content, Metadata=metadata)


def saved(index: IncidentIndex, folder: Path) -> Path:
    """Save an index in a folder and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    save_index(index, folder / "incident_cls.pt")
    return folder / "incident_cls.pt"
