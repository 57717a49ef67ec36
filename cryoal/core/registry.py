"""Parts that announce themselves: one file a part, found on first look-up."""

import contextlib
import difflib
import hashlib
import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar

from cryoal.core.errors import CryoalError

T = TypeVar("T")

#: Set to 1 in the environment, it lets every file name code to run.
TRUST = "CRYOAL_TRUST"

_named: ContextVar[frozenset[str]] = ContextVar("named_by_person", default=frozenset())


@contextlib.contextmanager
def named_by_person(*names: str | None) -> Iterator[None]:
    """Within the block, private code of these names may run.

    For names that a person typed, or that a script hands to a function: never for what a file says.

    Examples
    --------
    >>> with named_by_person("math:sqrt"):
    ...     Registry("root", "cryoal.core").get("math:sqrt")(9)
    3.0
    """
    before = _named.set(_named.get() | {name for name in names if name is not None})
    try:
        yield
    finally:
        _named.reset(before)


class Registry(Generic[T]):
    """Named parts of one kind, each registered where it is defined.

    Parameters
    ----------
    kind : str
        What a part is called in messages, for example ``"acquisition function"``.
    package : str
        Dotted name of the package whose modules hold the parts. They are imported on the
        first look-up, so that adding a part is adding a file, and ``--help`` stays fast.
    option : str
        Where a person names a part on the command line, for messages.

    Examples
    --------
    >>> greetings = Registry("greeting", "cryoal.core")
    >>> @greetings.register("hello")
    ... def hello(): return "hello"
    >>> greetings.get("helo")
    Traceback (most recent call last):
    cryoal.core.errors.CryoalError: no greeting is called 'helo'; did you mean 'hello'? ...
    """

    def __init__(self, kind: str, package: str, option: str = "") -> None:
        self.kind, self.option = kind, option
        self._package = package
        self._parts: dict[str, T] = {}
        self._searched = False

    def register(self, name: str) -> Callable[[T], T]:
        """Give the decorated part its name; two parts of one name are a bug."""

        def add(part: T) -> T:
            if name in self._parts:
                raise ValueError(f"two parts are registered as {self.kind} {name!r}")
            self._parts[name] = part
            return part

        return add

    def names(self) -> list[str]:
        """Every registered name, sorted."""
        self._search()
        return sorted(self._parts)

    def get(self, name: str) -> T:
        """Return the part of this name, or a private one written as where it is.

        That is ``package.module:attribute``, or ``folder/file.py:attribute``: code of somebody's
        own, which runs only where a person named it (``named_by_person``) or trusts every file.

        Raises
        ------
        CryoalError
            With the list of names and the nearest guess; or the name is private and nobody said
            that it may run.
        """
        if ":" in name:
            self.refuse_private(name)
            return self._private(name)
        self._search()
        if name in self._parts:
            return self._parts[name]
        guess = difflib.get_close_matches(name, self._parts, n=1)
        hint = f"; did you mean {guess[0]!r}?" if guess else "."
        raise CryoalError(
            f"no {self.kind} is called {name!r}{hint} There are: {', '.join(self.names())}"
        )

    def refuse_private(self, name: str, found_in: Path | None = None) -> None:
        """Refuse a private name that no person gave, and tell which file gives it.

        Raises
        ------
        CryoalError
        """
        if ":" not in name or name in _named.get() or os.environ.get(TRUST) == "1":
            return
        where = "" if found_in is None else f"{found_in}: "
        option = f"name it on the command line with {self.option}, or " if self.option else ""
        raise CryoalError(
            f"{where}names {name!r} as its {self.kind}, which is code outside cryoal and was not "
            f"run; if you trust it, {option}set {TRUST}=1 in the environment"
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def _search(self) -> None:
        if self._searched:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        self._searched = True

    def _private(self, name: str) -> T:
        module_name, _, attribute = name.rpartition(":")
        try:
            part: T = getattr(_module(module_name), attribute)
        except (ImportError, AttributeError, ValueError, SyntaxError) as problem:
            raise CryoalError(
                f"{self.kind} {name!r} cannot be imported ({problem}); write it as "
                "file.py:attribute, or package.module:attribute with the package on PYTHONPATH"
            ) from problem
        return part


def _module(name: str) -> ModuleType:
    """A module by its dotted name, or a file by its path; either is loaded once."""
    if not name.endswith(".py"):
        return importlib.import_module(name)
    path = Path(name).resolve()
    known = f"cryoal_private_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    if known in sys.modules:
        return sys.modules[known]
    spec = importlib.util.spec_from_file_location(known, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ImportError(f"no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[known] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[known]
        raise
    return module
