"""Email templates: fields and if. Rendering always ends, and no value is interpreted as markup.

Merchants write the templates, and workers and web threads render them. Only the constructs listed here are allowed
(OWASP ASVS 5.0, 1.3.7), so that the cost of a template is bounded by its length.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateError, Undefined, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from widget.deadline import is_time_limit

KEPT = 512
MAX_TEMPLATE = 60_000
"""Maximum characters of a template."""
MAX_FILLED = 200_000
"""Maximum characters of a rendered template."""
MAX_VALUE = 4_000
"""Maximum characters of a field; the rest is cut off."""
MAX_NODES, MAX_DEPTH = 4_000, 40
FILTERS = ("capitalize", "default", "lower", "title", "trim", "upper")
TESTS = ("defined", "none", "undefined")
_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Const,
    nodes.If,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Filter,
    nodes.Test,
)
_NAMES = {
    nodes.For: "loops",
    nodes.CondExpr: "inline if",
    nodes.Call: "calls",
    nodes.BinExpr: "arithmetic",
    nodes.Concat: "joining texts",
    nodes.Assign: "set",
    nodes.Macro: "macros",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.Extends: "extends",
}
_PUNCTUATION = re.compile(r"([!#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~])")
_ESCAPED = re.compile(r"\\([!#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~])")


class CannotWrite(ValueError):
    """An email that cannot be written: a field is missing, or a block is unknown. The message is for authors."""

    code = "template_field"


def escape_markdown(value: Any) -> Any:
    """Escape a field so that it stays text and cannot become a link, a heading, or one of our blocks."""
    if value is None or isinstance(value, (bool, int, float, Undefined)):
        return value
    text = " ".join(str(value)[:MAX_VALUE].split())
    return _PUNCTUATION.sub(r"\\\1", text).replace('"', "&quot;")


def plain(escaped: str) -> str:
    """Undo ``escape_markdown``, for places where Markdown is not parsed."""
    return _ESCAPED.sub(r"\1", escaped.replace("&quot;", '"'))


def _one_line(value: Any) -> Any:
    return " ".join(value[:MAX_VALUE].split()) if isinstance(value, str) else value


def _environment(finalize: Any) -> Environment:
    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=finalize,
    )


_MARKDOWN, _PLAIN = _environment(escape_markdown), _environment(_one_line)


def fill(template: str, context: dict[str, Any], *, markdown: bool = False) -> str:
    """Render a template; fields of a ``markdown`` body are escaped. Raises CannotWrite."""
    try:
        filled = _compiled(template, markdown).render(context)
    except CannotWrite:
        raise
    except TemplateError as error:
        raise CannotWrite(_with_line(error)) from error
    except Exception as error:  # Any other error that a template causes is reported to its author, not as our failure.
        if is_time_limit(error):
            raise
        raise CannotWrite(f"it cannot be rendered ({type(error).__name__})") from error
    if len(filled) > MAX_FILLED:
        raise CannotWrite(f"it has {len(filled):,} characters when rendered; the limit is {MAX_FILLED:,}")
    return filled


def _with_line(error: TemplateError) -> str:
    line = getattr(error, "lineno", None)
    return f"line {line}: {error.message}" if line and error.message else str(error)


@lru_cache(maxsize=KEPT)
def _compiled(template: str, markdown: bool) -> Template:
    """Compile a template, cached: texts of published versions never change and recur in every email.

    Raises CannotWrite.
    """
    if len(template) > MAX_TEMPLATE:
        raise CannotWrite(f"it has {len(template):,} characters; the limit is {MAX_TEMPLATE:,}")
    environment = _MARKDOWN if markdown else _PLAIN
    try:
        tree = environment.parse(template)
        _check(tree)
        return environment.from_string(tree)
    except TemplateError as error:
        raise CannotWrite(_with_line(error)) from error
    except (RecursionError, MemoryError, ValueError, OverflowError) as error:
        if isinstance(error, CannotWrite):
            raise
        raise CannotWrite(f"it cannot be parsed ({type(error).__name__})") from error


def _check(tree: nodes.Template) -> None:
    """Reject constructs that are not listed. Raises CannotWrite with the line number."""
    waiting: list[tuple[nodes.Node, int]] = [(tree, 0)]
    seen = 0
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if seen > MAX_NODES or depth > MAX_DEPTH:
            raise CannotWrite(f"line {node.lineno}: the template is too long or nested too deeply")
        _check_node(node)
        waiting += [(child, depth + 1) for child in node.iter_child_nodes()]


def _check_node(node: nodes.Node) -> None:
    if not isinstance(node, _ALLOWED):
        what = next((name for kind, name in _NAMES.items() if isinstance(node, kind)), type(node).__name__.lower())
        raise CannotWrite(f"line {node.lineno}: {what} cannot be used in an email; only fields and if can")
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        raise CannotWrite(f"line {node.lineno}: unknown filter '{node.name}': use one of {', '.join(FILTERS)}")
    if isinstance(node, nodes.Test) and node.name not in TESTS:
        raise CannotWrite(f"line {node.lineno}: unknown test '{node.name}': use one of {', '.join(TESTS)}")
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        raise CannotWrite(f"line {node.lineno}: unknown field '{node.attr}'")
    if isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Const):
        raise CannotWrite(f"line {node.lineno}: use a literal field name, as in product.name")
