"""Arrays that belong to a net and that an optimiser changes: a copy of the optimiser keeps none alive on its own."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from rnnfast.problem import Array


class Borrowed(Mapping[str, Array]):
    """Name -> array, live. A copy or pickle refers to the arrays that were copied with it, but does not keep them.

    Copied or pickled together with the net (one pickle, one deepcopy), they are the arrays of the new net. Copied
    alone they would belong to no net, and whoever changed them would change nothing that is used: they are gone, and
    `live` raises RuntimeError. `borrower` is what messages call the object that holds this.
    """

    def __init__(self, arrays: Mapping[str, Array], borrower: str) -> None:
        self._arrays: dict[str, Array] | None = dict(arrays)
        self._references: dict[str, weakref.ref[Array] | None] = {}
        self._borrower = borrower

    def live(self) -> dict[str, Array]:
        """Return the arrays by name. Raises RuntimeError where the net that they belong to did not come along."""
        if self._arrays is not None:
            return self._arrays
        arrays = self._found()
        if gone := [name for name, array in arrays.items() if array is None]:
            raise RuntimeError(
                f"this {self._borrower} was copied or unpickled without the net whose parameters it changes ({gone[0]} "
                f"is gone): make a new {self._borrower} of the parameters of the net that you have and give it this "
                "one's state, new.load_state_dict(old.state_dict()), or copy and pickle both together, such as "
                "pickle.dumps((net, optimizer))"
            )
        return {name: array for name, array in arrays.items() if array is not None}

    def __getitem__(self, name: str) -> Array:
        return self.live()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._references if self._arrays is None else self._arrays)

    def __len__(self) -> int:
        return len(self._references if self._arrays is None else self._arrays)

    def __getstate__(self) -> dict[str, Any]:
        return {"arrays": self._found(), "borrower": self._borrower}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # What copies or unpickles keeps every new array until it is done, so a net that comes later finds them, too.
        self._arrays, self._borrower = None, state["borrower"]
        self._references = {n: None if array is None else weakref.ref(array) for n, array in state["arrays"].items()}

    def _found(self) -> Mapping[str, Array | None]:
        """The arrays by name, None for one that is gone."""
        if self._arrays is not None:
            return self._arrays
        return {name: None if reference is None else reference() for name, reference in self._references.items()}
