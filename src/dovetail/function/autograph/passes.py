"""The conversion itself: `diastatic-malt`'s passes over a syntax tree, with some of ours in front of them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from malt.converters import (
    break_statements,
    call_trees,
    conditional_expressions,
    continue_statements,
    control_flow,
    functions,
    logical_expressions,
    return_statements,
    variables,
)
from malt.core import converter, unsupported_features_checker
from malt.lang import directives
from malt.pyct import anno, cfg, naming, parser, qual_names, templates, transformer
from malt.pyct.static_analysis import activity, liveness, reaching_definitions, reaching_fndefs

from dovetail.function.autograph.convert import NotConvertibleError

_ORIGIN = anno.Basic.ORIGIN


class _Options:
    """What malt's passes ask about the conversion; the operators know the rest."""

    def uses(self, feature: Any) -> bool:
        return feature is converter.Feature.BUILTIN_FUNCTIONS

    def to_ast(self) -> ast.AST:
        return parser.parse_expression("None")

    def call_options(self) -> _Options:
        return self


class _Request:
    options = _Options()


def rewritten(node: ast.AST, names: Mapping[str, Any], is_loop_option: Callable[[Any], bool]) -> ast.AST:
    """Returns the function with its control flow and its calls spelled as calls of operators in `ag__`.

    Args:
        node: a function or lambda with the positions of its file; it is changed.
        names: the globals and free variables that it sees.
        is_loop_option: tells whether a value is `set_loop_options`.
    """
    child: Any
    _Walrus().visit(node)
    for child in ast.walk(node):
        if "lineno" in child._attributes:  # the parser shares nodes that have no place of their own
            place = (child.lineno, child.col_offset, child.end_lineno, child.end_col_offset)
            anno.setanno(child, _ORIGIN, place)
    information = transformer.EntityInfo(
        name=getattr(node, "name", "lam"), source_code="", source_file="", future_features=(), namespace=names
    )
    context = transformer.Context(information, naming.Namer(names), _Request)
    unsupported_features_checker.verify(node)
    graphs = cfg.build(node)
    node = qual_names.resolve(node)
    node = activity.resolve(node, context, None)
    node = reaching_definitions.resolve(node, context, graphs)
    anno.dup(node, {anno.Static.DEFINITIONS: anno.Static.ORIG_DEFINITIONS})
    node = functions.transform(node, context)
    node = _LoopOptions(names, is_loop_option).visit(node)
    node = break_statements.transform(node, context)
    node = _Asserts().visit(node)
    for step in (continue_statements, return_statements, call_trees):
        node = step.transform(node, context)
    node = _control_flow(node, context)
    for step in (conditional_expressions, logical_expressions, variables):
        node = step.transform(node, context)
    _find_places(node)
    _set_places(node, (1, 0, 1, 0))
    return node


class _ControlFlow(control_flow.ControlFlowTransformer):
    def _get_block_vars(self, node: ast.AST, modified: Any) -> tuple:
        variables_, undefined, num_outputs = super()._get_block_vars(node, modified)
        scope = self.state[control_flow._Function].scope
        if any(name in scope.nonlocals or name in scope.globals for name in variables_):
            num_outputs = len(variables_)  # whoever else sees them may read them later
        return variables_, undefined, num_outputs


def _control_flow(node: ast.AST, context: Any) -> ast.AST:
    graphs = cfg.build(node)
    node = qual_names.resolve(node)
    node = activity.resolve(node, context, None)
    for analysis in (reaching_definitions, reaching_fndefs, liveness):
        node = analysis.resolve(node, context, graphs)
    return _ControlFlow(context).visit(node)


class _LoopOptions(ast.NodeTransformer):
    """Moves `set_loop_options(...)` out of the body of a loop into a note on the loop; marks what loops run over."""

    def __init__(self, names: Mapping[str, Any], is_loop_option: Callable[[Any], bool]) -> None:
        self.names, self.is_loop_option = names, is_loop_option

    def visit_While(self, node: Any) -> ast.AST:
        for statement in list(node.body):
            if self._sets_options(statement):
                values = {word.arg: word.value for word in statement.value.keywords}
                known = ("parallel_iterations", "swap_memory", "maximum_iterations", "shape_invariants")
                values |= dict(zip(known, statement.value.args, strict=False))
                anno.setanno(node, anno.Basic.DIRECTIVES, {directives.set_loop_options: values})
                node.body.remove(statement)
        if not node.body:
            node.body = [ast.Pass()]
        return self.generic_visit(node)

    def visit_For(self, node: ast.For) -> ast.AST:
        if isinstance(node.iter, ast.Call):
            node.iter.func = templates.replace_as_expression("ag__.iterated(f)", f=node.iter.func)
            qual_names.resolve(node.iter)
        return self.visit_While(node)

    def _sets_options(self, statement: Any) -> bool:
        call = getattr(statement, "value", None)
        if not isinstance(statement, ast.Expr) or not isinstance(call, ast.Call):
            return False
        return self.is_loop_option(self._value(call.func))

    def _value(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Attribute):
            return getattr(self._value(node.value), node.attr, None)
        return self.names.get(node.id) if isinstance(node, ast.Name) else None


class _Walrus(ast.NodeTransformer):
    """Spells `if (y := f(x)) > 0:` as `y = f(x)` and `if y > 0:`, and `while` in the same way: malt knows no `:=`."""

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        return [*self._assigned(node), node]

    def visit_While(self, node: ast.While) -> Any:
        self.generic_visit(node)
        first = self._assigned(node)
        if not first:
            return node
        if node.orelse:
            raise NotConvertibleError("a `while` with `:=` and `else` runs as it is")
        ends = ast.If(ast.UnaryOp(ast.Not(), node.test), [ast.Break()], [])
        node.body[:0] = [*first, ast.fix_missing_locations(ast.copy_location(ends, node))]
        node.test = ast.copy_location(ast.Constant(True), node)
        return node

    @staticmethod
    def _assigned(node: Any) -> list[ast.stmt]:
        """Takes the assignments out of a test; those that Python would not always make stay."""
        taken = _TakenOut()
        node.test = taken.visit(node.test)
        return taken.assignments


class _TakenOut(ast.NodeTransformer):
    def __init__(self) -> None:
        self.assignments: list[ast.stmt] = []

    def visit_NamedExpr(self, node: ast.NamedExpr) -> Any:
        self.generic_visit(node)
        self.assignments.append(ast.copy_location(ast.Assign([node.target], node.value), node))
        return ast.copy_location(ast.Name(node.target.id, ast.Load()), node)

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        node.values[0] = self.visit(node.values[0])
        return node

    def visit_Compare(self, node: ast.Compare) -> Any:
        node.left, node.comparators[0] = self.visit(node.left), self.visit(node.comparators[0])
        return node

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        node.test = self.visit(node.test)
        return node

    def _stays(self, node: Any) -> Any:
        return node

    visit_Lambda = visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _stays


class _Asserts(ast.NodeTransformer):
    def visit_Assert(self, node: ast.Assert) -> Any:
        message = node.msg if node.msg is not None else ast.Constant(None)
        return templates.replace("ag__.assert_stmt(lambda: test, lambda: msg)", test=node.test, msg=message)


def _find_places(node: ast.AST) -> Any:
    """Gives each node the place in the user's file that it, or the first node below it with a place, comes from."""
    place = anno.getanno(node, _ORIGIN, None) if "lineno" in node._attributes else None
    for child in ast.iter_child_nodes(node):
        found = _find_places(child)
        place = place or found
    node._place = place  # type: ignore[attr-defined]
    return place


def _set_places(node: ast.AST, around: tuple) -> None:
    place = node._place or around  # type: ignore[attr-defined]
    if "lineno" in node._attributes:
        node.lineno, node.col_offset, node.end_lineno, node.end_col_offset = place  # type: ignore[attr-defined]
    for child in ast.iter_child_nodes(node):
        _set_places(child, place)
