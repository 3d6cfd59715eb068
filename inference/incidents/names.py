"""Names that are fixed: of the service, and of the files that its parts exchange."""

from typing import Final

VERSION: Final = "0.1.0"
"""Of the service, by semantic versioning of what its callers see."""

SERVICE: Final = "similar-incidents"
"""The service in its logs and metrics."""

METRICS_NAMESPACE: Final = "SimilarIncidents"
"""The namespace of its metrics in CloudWatch."""

MODEL_DIR: Final = "model"
"""The folder of model and index, in the image and on the model cache."""

WEIGHTS_FILENAME: Final = "model.safetensors"
"""The weights in a model folder; a folder without them is skipped."""

INDEX_FILENAME: Final = "incident_cls.pt"
"""The index in a model folder, on the model cache and in the bucket."""
