"""Print a stub of `cuda.bindings.runtime`, as this interpreter finds it: `python tools/cuda_stub.py > runtime.pyi`.

Its functions are compiled, so a stub generator sees names alone; Python's own `inspect` sees their parameters. They
return a tuple, an error code first.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from cuda.bindings import runtime


def stub() -> Iterator[str]:
    """The lines of the stub."""
    yield "import enum\nfrom typing import Any\n"
    for name, value in vars(runtime).items():
        if not name.startswith("cuda"):
            continue
        if hasattr(value, "__members__"):  # an enumeration, in version 12 not by Python's own class
            yield f"class {name}(enum.IntEnum):\n    ..."
            yield from (f"    {member} = {int(number)}" for member, number in value.__members__.items())
        elif isinstance(value, type):
            yield f"class {name}:"
            yield "    def __init__(self, *args: Any, **kwargs: Any) -> None: ..."
            yield "    def __int__(self) -> int: ..."
            yield from (f"    {field}: Any" for field, kind in vars(value).items() if inspect.isgetsetdescriptor(kind))
        elif callable(value):
            parameters = ", ".join(f"{parameter}: Any" for parameter in inspect.signature(value).parameters)
            yield f"def {name}({parameters}) -> tuple[Any, ...]: ..."


if __name__ == "__main__":
    print("\n".join(stub()))
