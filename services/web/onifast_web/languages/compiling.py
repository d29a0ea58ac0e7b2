"""How templates are compiled: what they put out is escaped into plain text, and their texts are looked up straight.

Jinja's `escape` makes a `Markup` of each of a page's thousand pieces, so that it is known to be escaped already. What
is put out is joined at once, as markup, and nobody asks: that was an eighth of a page. And each call goes by way of the
context, in case that it wants to be given it; a page's two hundred texts do not.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable
from typing import Any

import markupsafe
from flask import Flask
from flask.templating import Environment
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.idtracking import VAR_LOAD_RESOLVE
from markupsafe import Markup, escape

_plain: Callable[[str], str] = getattr(markupsafe, "_escape_inner", lambda text: str(escape(text)))
"""Escapes text, in C where MarkupSafe has that for itself (3.0)."""


def escaped(value: Any) -> str:
    """What `markupsafe.escape` makes of a value, as text that nobody is going to escape again."""
    kind = type(value)
    if kind is str:
        return _plain(value)
    return value if kind is Markup else escape(value)


def filled(text: Markup, values: dict[str, Any]) -> Markup:
    """What `text % values` is, as Markup has it: what is put in is escaped."""
    given = {name: value if type(value) in (int, float) else escaped(value) for name, value in values.items()}
    return Markup(str.__mod__(text, given))  # noqa: S704 - escaped above


class _OutputGenerator(CodeGenerator):
    """Jinja's compiler, whose templates call `escaped` for what they put out where they escape at all."""

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape or finalize.src is not None:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write("environment.escaped(")

    def visit_Call(  # noqa: N802 - Jinja's name
        self, node: nodes.Call, frame: Frame, forward_caller: bool = False
    ) -> None:
        """Calls a text's function straight, and all others as Jinja does."""
        name = self._text_function(node, frame)
        if name is None or forward_caller:
            super().visit_Call(node, frame, forward_caller=forward_caller)
            return
        self.write(f"environment.texts[{name!r}](")
        for argument in node.args:
            self.visit(argument, frame)
            self.write(", ")
        for given in node.kwargs:
            self.write(f"{given.key}=")
            self.visit(given.value, frame)
            self.write(", ")
        self.write(")")

    def _text_function(self, node: nodes.Call, frame: Frame) -> str | None:
        """Its name, unless the template means something of its own by that."""
        if not isinstance(node.node, nodes.Name) or node.dyn_args is not None or node.dyn_kwargs is not None:
            return None
        name = node.node.name
        reference = frame.symbols.find_ref(name)
        load = frame.symbols.find_load(reference) if reference else None
        is_ours = load is not None and load[0] == VAR_LOAD_RESOLVE and name in getattr(self.environment, "texts", ())
        return None if any(keyword.iskeyword(given.key) for given in node.kwargs) else name if is_ours else None


class OutputEnvironment(Environment):
    """Flask's, with that."""

    code_generator_class = _OutputGenerator
    escaped = staticmethod(escaped)

    def __init__(self, app: Flask, **options: Any) -> None:
        super().__init__(app, **options)
        self.texts: dict[str, Callable[..., Any]] = {}
        """What templates call for texts, by name; to be there before the first one is compiled."""
