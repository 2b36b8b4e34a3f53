"""Makes librnnfast's threads visible to threadpoolctl, where that is installed: user_api "rnnfast"."""

from __future__ import annotations

import ctypes

from rnnfast.backends.c import followers


def register() -> None:
    """Have `threadpoolctl.threadpool_info` list librnnfast from now on, and `threadpool_limits` limit its threads."""
    try:
        import threadpoolctl  # type: ignore[import-untyped]
    except ImportError:
        return
    if not hasattr(threadpoolctl, "register"):  # before 3.4
        return

    class Controller(threadpoolctl.LibController):  # type: ignore[misc]
        user_api = internal_api = "rnnfast"
        filename_prefixes = ("librnnfast",)
        check_symbols = ("rf_get_num_threads", "rf_set_num_threads", "rf_version")

        def get_num_threads(self) -> int:
            return int(self.dynlib.rf_get_num_threads())

        def set_num_threads(self, num_threads: int) -> None:
            self.dynlib.rf_set_num_threads(num_threads)
            followers.tell()

        def get_version(self) -> str:
            self.dynlib.rf_version.restype = ctypes.c_char_p
            return str(self.dynlib.rf_version().decode())

        def set_additional_attributes(self) -> None:
            """There are none."""

    threadpoolctl.register(Controller)
