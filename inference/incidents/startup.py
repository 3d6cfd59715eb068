"""Import this before torch to shorten torch's import.

torch's import creates a quarter of a million objects, hardly any of them garbage. Scanning them for garbage takes a
seventh to a third of the time from process start to first answer. A later scan takes 30 ms, in the middle of a request.
"""

import gc
import os
import warnings

# Otherwise torch searches all installed packages for one that adds a device.
os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")

# The image has no numpy: nothing there needs it, and without it the image is 60 MB smaller and starts sooner.
warnings.filterwarnings("ignore", message="Failed to initialize NumPy", category=UserWarning)

_was_collecting = gc.isenabled()
gc.disable()
try:
    import torch  # noqa: F401
finally:
    if _was_collecting:
        gc.enable()
gc.freeze()  # keeps torch's objects out of every later scan
