"""Parts that announce themselves: one file a part, found on first look-up."""

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from cryoal.core.errors import CryoalError

T = TypeVar("T")


class Registry(Generic[T]):
    """Named parts of one kind, each registered where it is defined.

    Parameters
    ----------
    kind : str
        What a part is called in messages, for example ``"acquisition function"``.
    package : str
        Dotted name of the package whose modules hold the parts. They are imported on the
        first look-up, so that adding a part is adding a file, and ``--help`` stays fast.

    Examples
    --------
    >>> greetings = Registry("greeting", "cryoal.core")
    >>> @greetings.register("hello")
    ... def hello(): return "hello"
    >>> greetings.get("helo")
    Traceback (most recent call last):
    cryoal.core.errors.CryoalError: no greeting is called 'helo'; did you mean 'hello'? ...
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
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
        """Return the part of this name, or a private one written as ``package.module:attribute``.

        Raises
        ------
        CryoalError
            With the list of names and the nearest guess.
        """
        if ":" in name:
            return self._private(name)
        self._search()
        if name in self._parts:
            return self._parts[name]
        guess = difflib.get_close_matches(name, self._parts, n=1)
        hint = f"; did you mean {guess[0]!r}?" if guess else "."
        raise CryoalError(
            f"no {self.kind} is called {name!r}{hint} There are: {', '.join(self.names())}"
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
        module_name, _, attribute = name.partition(":")
        try:
            part: T = getattr(importlib.import_module(module_name), attribute)
        except (ImportError, AttributeError, ValueError) as problem:
            raise CryoalError(
                f"{self.kind} {name!r} cannot be imported ({problem}); write it as "
                "package.module:attribute, with the package on PYTHONPATH"
            ) from problem
        return part
