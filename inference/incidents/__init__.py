"""What the Lambda functions and the offline scripts share: encoder, index, settings and the HTTP form."""

import warnings
from typing import Final

# torch looks for numpy when it is imported and warns where there is none. Nothing here needs numpy, and without it
# the image is 60 MB smaller and starts sooner.
warnings.filterwarnings("ignore", message="Failed to initialize NumPy", category=UserWarning)

__version__: Final = "0.1.0"
"""Of the service, by semantic versioning: what its callers see of it."""

SERVICE: Final = "similar-incidents"
"""What the service is called in its logs and metrics."""
