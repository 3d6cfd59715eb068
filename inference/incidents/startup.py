"""Once this is imported, `import torch` takes a good half of its time: for processes that start while somebody waits.

More than half of what such a process did before it could embed was this import, and torch has no switch for it. Modules
that torch imports for other purposes than computing are not run before they are used. They take no lock, so the first
use must not come from several threads at once. Where torch is imported already, nothing changes.
"""

import gc
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any, Final

META: Final = "torch._meta_registrations"
"""Registers how operators work on tensors without values, on the device "meta"."""

COMPILER: Final = "torch._dynamo"
"""Relies on META's having run, and so do the optimisers, which import it."""

UNUSED: Final = (
    META,
    "torch._native",
    "torch.distributions",
    "torch.export",
    "torch.masked",
    "torch.nn.intrinsic",
    "torch.optim",
    "torch.profiler",
    "torch.quantization",
    "torch.utils.data",
)
"""Modules of which neither the rest of torch's import nor any function here uses anything. META takes longest."""


class _NotCollecting(SourceFileLoader):
    """Runs a module without garbage collection, and keeps what there is then out of every later one.

    Hardly any of it is garbage. To go through torch's quarter of a million objects takes 30 ms, both while it is
    imported and later in the midst of a request.
    """

    def exec_module(self, module: ModuleType) -> None:
        collecting = gc.isenabled()
        gc.disable()
        try:
            super().exec_module(module)
        finally:
            if collecting:
                gc.enable()
        gc.freeze()


class _WhenUsed(SourceFileLoader):
    """Runs a module when something of it is first used.

    `importlib.util.LazyLoader` does not serve: to it a look at `__file__` is a use, and while torch is imported
    `inspect` looks at that of every module.
    """

    def exec_module(self, module: ModuleType) -> None:
        def run_and_get(name: str) -> Any:
            if name.startswith("__") and name != "__all__":  # asked of every module by those who look for something
                raise AttributeError(name)
            del module.__getattr__
            super(_WhenUsed, self).exec_module(module)
            return getattr(module, name)

        module.__getattr__ = run_and_get  # type: ignore[method-assign]


LOADERS: Final = {"torch": _NotCollecting} | dict.fromkeys(UNUSED, _WhenUsed)


class _Finder:
    """Finds modules where they are, and gives some of them a loader of their own."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == COMPILER:
            hasattr(sys.modules.get(META), "anything")  # asked for anything, it runs
        if name not in LOADERS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = LOADERS[name](spec.loader.name, spec.loader.path)
        return spec


if "torch" not in sys.modules:
    sys.meta_path.insert(0, _Finder)
    # Else torch looks through all installed packages for one that is a backend of it.
    os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
