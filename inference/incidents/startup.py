"""Import torch quickly: a process that someone waits for imports this module before anything that imports torch.

torch makes a quarter of a million objects when it is imported, and hardly any of them is garbage. Looking for garbage
among them takes a third of the import's time, and 30 ms in the midst of a later request.
"""

import gc
import os
import warnings

# Otherwise torch searches all installed packages for one that adds a device.
os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")

# The image has no numpy: nothing there needs it, and it is 60 MB smaller and starts sooner without.
warnings.filterwarnings("ignore", message="Failed to initialize NumPy", category=UserWarning)

_collecting = gc.isenabled()
gc.disable()
try:
    import torch  # noqa: F401
finally:
    if _collecting:
        gc.enable()
gc.freeze()
