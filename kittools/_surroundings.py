"""Settles what commands and the kernels they start find around them, before anything starts.

The kit's own kernel comes before one of the same name that the learner installed elsewhere, and
JupyterLab finds settings that the kit brings. What Jupyter and matplotlib write goes to where
`KIT_CACHE_DIR` says, or to the kit's cache if the home folder cannot be written. What the user has
set for these programs stays. The launcher clears what Python itself would obey: see `kit`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from jupyter_core import paths

from kitlib.broker import _parts as parts
from kitlib.errors import KitError

SETTINGS = Path(__file__).with_name("jupyter")


def settle() -> None:
    """Change the environment of this process, which its children inherit."""
    _put_first("JUPYTER_PATH", Path(sys.prefix) / "share" / "jupyter")
    _put_first("JUPYTER_CONFIG_PATH", SETTINGS)
    try:
        home = Path.home()
    except RuntimeError:
        raise KitError(
            "Your home folder is not known",
            "HOME is not set, and this system has no entry for your user",
            "Set HOME to a folder of your own and run the same command again.",
        ) from None
    usual = {
        "MPLCONFIGDIR": home / ".cache" / "matplotlib",
        "IPYTHONDIR": home / ".ipython",
        "JUPYTER_CONFIG_DIR": Path(paths.jupyter_config_dir()),
        "JUPYTER_DATA_DIR": Path(paths.jupyter_data_dir()),
        "JUPYTER_RUNTIME_DIR": Path(paths.jupyter_runtime_dir()),
    }
    moved = {name for name, folder in usual.items() if not _may_write(folder)}
    if os.environ.get("KIT_CACHE_DIR"):
        moved.add("MPLCONFIGDIR")  # the others are no caches
    for name in moved.difference(os.environ):
        folder = parts.cache_folder() / name.lower()
        os.environ[name] = str(folder)
        # matplotlib would make it for everybody, if the umask says so; a cache that the kit has yet
        # to make is its owner's alone, and so is all that will be in it.
        if os.path.exists(parts.cache_folder()):
            with contextlib.suppress(OSError):  # whoever needs it will say so
                parts.private(folder)


def _put_first(name: str, folder: Path) -> None:
    """Put a folder before all others that a variable lists."""
    listed = os.environ.get(name, "").split(os.pathsep)
    others = [one for one in listed if one not in ("", str(folder))]
    os.environ[name] = os.pathsep.join([str(folder), *others])


def _may_write(folder: Path) -> bool:
    """Whether this folder can be written, or made if there is none."""
    while not os.path.exists(folder):  # Path.exists raises where a folder above is closed
        folder = folder.parent
    return os.access(folder, os.W_OK)
