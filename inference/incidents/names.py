"""Fixed names: of the service, and of the files that its parts exchange."""

from typing import Final

VERSION: Final = "0.1.0"
"""The service's version, by semantic versioning of what callers see."""

SERVICE: Final = "similar-incidents"
"""The service's name in its logs and metrics."""

METRICS_NAMESPACE: Final = "SimilarIncidents"
"""The namespace of the service's metrics in CloudWatch."""

MODEL_DIR: Final = "model"
"""The folder with the model and the index, in the image and on the model cache."""

WEIGHTS_FILENAME: Final = "model.safetensors"
"""The weights in a model folder. A folder without this file is skipped."""

INDEX_FILENAME: Final = "incident_cls.pt"
"""The index, in a model folder, on the model cache and in the bucket."""
