"""The page of a label sheet: data, style and script in one file that loads nothing."""

import base64
import hashlib
import json
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from cryoal.core.version import __version__


def render(data: dict[str, Any]) -> str:
    """Page with these data in it; every name stays text wherever it stands.

    The page's policy lets run the one script and apply the one style whose hashes it names, and
    load nothing at all (https://www.w3.org/TR/CSP3/).
    """
    here = files("cryoal.annotate")
    style = here.joinpath("sheet.css").read_text(encoding="utf-8")
    script = here.joinpath("sheet.js").read_text(encoding="utf-8")
    environment = Environment(loader=PackageLoader("cryoal.annotate", ""), autoescape=True)
    return environment.get_template("sheet.html.jinja").render(
        project=data["project"],
        round=data["round"],
        version=__version__,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=Markup(inert_json(data)),
    )


def inert_json(value: Any) -> str:
    """JSON that no HTML parser can take for markup, whatever its strings hold.

    Examples
    --------
    >>> "<" in inert_json("</script><b>"), json.loads(inert_json("</script><b>"))
    (False, '</script><b>')
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
