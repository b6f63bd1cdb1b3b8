"""Check that the imports of src/dovetail point down the layers, and that only the engine names JAX.

    python -m tools.layering

The tables come first; to allow a new direction, change a table and say why there.
"""

import ast
import fnmatch
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "dovetail"

# Lowest first. A module may import its own layer's part of the package and every layer further down.
LAYERS = (
    ("base",),
    ("wire",),
    ("engine",),
    ("tensor",),
    ("ops",),
    ("autodiff",),
    ("graph",),
    ("function", "runtime"),
    ("namespaces",),
    ("keras", "data", "distribute", "saving", "io", "summary", "random", "train", "saved_model", "export"),
    ("top",),
    ("compat",),
    ("cli",),
)

# Parts of the package that are not named above (nn.py, math.py, ...) are thin views on the op table.
NAMESPACES = "namespaces"

# `import dovetail` itself: it gathers the layers below it. Only what stands above may import it.
TOP = {"dovetail": "top", "dovetail.__main__": "cli"}

# Parts of one layer do not import each other, but for these pairs: (importer, imported): why.
SIBLINGS = {
    ("keras", "data"): "fit takes datasets",
    ("keras", "random"): "layers draw random numbers",
    ("raw_ops", "lookup"): "operations on tables",
    ("saved_model", "train"): "the variables of a SavedModel are a checkpoint",
    ("keras", "export"): "models in formats of others",
    ("export", "saved_model"): "which functions an object has",
    ("keras", "saved_model"): "layers and models from SavedModel directories",
    ("keras", "train"): "weights in the manner of Keras 2 are checkpoints",
    ("keras", "summary"): "the TensorBoard callback writes summaries",
    ("distribute", "data"): "datasets are divided between replicas",
}

# Only these parts may name JAX at all.
JAX = ("jax", "jaxlib")
JAX_PARTS = ("engine",)

# Imports inside function bodies: (importing module, imported module), both as patterns: why it must wait.
LATE_IMPORTS = {
    (
        "dovetail.keras.initializers.transform",
        "scipy.signal",
    ): "it costs 0.3 s, and only unusual windows need it",
    ("dovetail.engine", "dovetail.engine.xla"): "it loads JAX, which a host-only process never does",
    ("dovetail.engine", "dovetail.engine.jax_private"): "it loads JAX",
    ("dovetail.engine", "dovetail.engine.loops"): "it loads JAX",
    ("dovetail.engine", "dovetail.engine.modules"): "it loads JAX",
    ("dovetail.engine", "dovetail.engine.programs"): "it loads JAX",
    ("dovetail.engine", "dovetail.engine.profiling"): "it loads JAX",
    ("dovetail.engine.devices", "importlib.metadata"): "it costs 15 ms; only programs that use XLA ask",
    (
        "dovetail.function.autograph.gate",
        "dovetail.function.autograph.operators",
    ): "conversion costs 15 ms; only programs that trace code of their own need it",
    ("dovetail.engine.host_special", "scipy.special"): "it costs 0.2 s, and few programs need it",
    ("dovetail.engine.host", "scipy.linalg"): "only matrix exponentials need it",
    (
        "dovetail.compat.finder",
        "dovetail.compat.distributions",
    ): "importlib.metadata costs 15 ms; few programs need it",
    (
        "dovetail.function.autograph.convert",
        "dovetail.function.autograph.passes",
    ): "malt costs 40 ms; only programs with control flow on tensors need it",
    (
        "dovetail.engine",
        "dovetail.engine.native",
    ): "what compiles and loads a library costs 30 ms; doctor's line",
    (
        "dovetail.keras.training.loaders",
        "multiprocessing",
    ): "it costs 10 ms; only processes of workers need it",
    ("dovetail.keras.callbacks.tensorboard", "dovetail.summary"): "it costs 15 ms; only TensorBoard needs it",
    ("dovetail.keras.callbacks.tensorboard", "dovetail.summary.writer"): "the same",
    ("dovetail.keras.callbacks.tensorboard", "dovetail.keras.callbacks.board_graph"): "the same",
    ("dovetail.ops.core", "dovetail.engine.host_pieces"): "it brings threads; for large arrays only",
    ("dovetail.engine.host_native", "dovetail.engine.native"): "the same; for large arrays only",
    ("dovetail.engine.placement", "dovetail.engine.devices"): "for large arrays only, before JAX is there",
    ("dovetail.engine.host_native", "dovetail.engine.native.images"): "the same; for images only",
    ("dovetail.engine.text.natively", "dovetail.engine.native"): "the same; for many strings only",
    ("dovetail.engine.text.natively", "dovetail.engine.native.texts"): "the same; for many strings only",
    ("dovetail.data.dataset", "dovetail.data.saved"): "a late family: few programs load saved datasets",
    ("dovetail.data.batching", "dovetail.ops.ragged.rows"): "a late family: few programs have ragged batches",
    (
        "dovetail.keras.layers.core.dense_features",
        "dovetail.feature_column.configs",
    ): "a late family: few programs have feature columns",
    (
        "dovetail.keras.layers.core.tfsm_layer",
        "dovetail.saved_model",
    ): "raw operations cost 20 ms; few programs load SavedModels",
    (
        "dovetail.keras.saving.whole",
        "dovetail.keras.saving.saved_model",
    ): "raw operations cost 20 ms; few models are directories",
    ("dovetail.keras.callbacks.backup", "h5py"): "it costs 40 ms; few programs write backups",
    ("dovetail.keras.callbacks.backup", "dovetail.keras.saving.h5"): "it needs h5py, see above",
    (
        "dovetail.keras.callbacks.remote_monitor",
        "urllib.request",
    ): "it costs 15 ms, and is hardly ever needed",
    (
        "dovetail.keras.training.sources",
        "dovetail.data",
    ): "it costs 15 ms; training on arrays needs no datasets",
    (
        "dovetail.keras.training.sources",
        "dovetail.keras.training.rows",
    ): "it stands on dovetail.data",
    ("dovetail.engine.xla", "dovetail.engine.stepping"): "only training needs it",
    ("dovetail.engine.xla", "dovetail.engine.rows"): "only input pipelines of many elements need it",
    ("dovetail.engine.xla", "dovetail.engine.mesh"): "only programs for several devices need it",
    (
        "dovetail.keras.models.reporting",
        "dovetail.keras.models.summary",
    ): "rich costs 50 ms; few programs print it",
    (
        "dovetail.keras.models.reporting",
        "dovetail.keras.saving",
    ): "h5py costs 60 ms; saving stands above models",
    (
        "dovetail.keras.models.reporting",
        "dovetail.keras.saving.exporting",
    ): "raw operations cost 20 ms; saving stands above models",
    ("dovetail.keras.models", "dovetail.keras.saving"): "h5py costs 60 ms; saving stands above models",
    ("dovetail.keras.utils.plotting", "matplotlib.*"): "an optional dependency",
    (
        "dovetail.keras.callbacks.orbax_checkpoint",
        "dovetail.keras.saving.orbax_files",
    ): "h5py costs 60 ms; saving stands above callbacks",
    ("dovetail.keras.utils.waves", "scipy.signal"): "it costs 0.3 s, and only resampled sounds need it",
}

MAX_LINES = 600


@dataclass(frozen=True)
class Import:
    """One import statement: who says it, what it names, where, and whether it runs with the module."""

    importer: str
    imported: str
    line: int
    late: bool
    typing_only: bool


def part_of(module):
    """Return the part of the package a module belongs to: `keras` for dovetail.keras.layers.core.dense."""
    if module in TOP:
        return TOP[module]
    root, _, rest = module.partition(".")
    return rest.split(".")[0] if root == "dovetail" else root


def rank_of(part):
    """Return the height of a part; parts without a row of their own are namespace modules."""
    for rank, parts in enumerate(LAYERS):
        if part in parts:
            return rank
    return rank_of(NAMESPACES)


def find_imports(source, module, is_package):
    """Return every import in a module's source, with relative ones spelled out."""
    finder = _Finder(module, is_package)
    finder.visit(ast.parse(source))
    return finder.found


def check_source(source, module, is_package=False, known=frozenset()):
    """Return what is wrong with the imports of one module, one line of text for each fault.

    Args:
      source: the module's text.
      module: its dotted name, such as "dovetail.ops.math".
      is_package: whether it is an `__init__.py`.
      known: the dotted names of all modules, to tell `from dovetail import keras` from a plain name.
    """
    faults = []
    for found in find_imports(source, module, is_package):
        fault = _fault(_resolved(found, known))
        if fault:
            faults.append(f"{module}:{found.line}: {fault}")
    return faults


def check_tree(source_dir=SOURCE):
    """Return the faults of every module below `source_dir`."""
    modules = dict(_modules(source_dir))
    known = frozenset(modules)
    faults = []
    for module, path in modules.items():
        text = path.read_text()
        faults += check_source(text, module, path.name == "__init__.py", known)
        num_lines = text.count("\n")
        if num_lines > MAX_LINES:
            faults.append(f"{module}: {num_lines} lines; split it, {MAX_LINES} is the limit")
    return faults


def unused_rows(source_dir=SOURCE):
    """Return the rows of SIBLINGS and LATE_IMPORTS that no import needs, so that the tables stay short."""
    modules = dict(_modules(source_dir))
    imports = [
        _resolved(found, frozenset(modules))
        for module, path in modules.items()
        for found in find_imports(path.read_text(), module, path.name == "__init__.py")
    ]
    pairs = {(part_of(i.importer), part_of(i.imported)) for i in imports}
    late = {row for i in imports if i.late for row in LATE_IMPORTS if _matches(i, row)}
    return [row for row in SIBLINGS if row not in pairs] + [row for row in LATE_IMPORTS if row not in late]


def _modules(source_dir):
    for path in sorted(source_dir.rglob("*.py")):
        parts = path.relative_to(source_dir.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def _resolved(found, known):
    """Shorten `package.name` to `package` where `name` is no module."""
    imported = found.imported
    while known and imported.startswith("dovetail.") and imported not in known:
        imported = imported.rpartition(".")[0]
    return Import(found.importer, imported, found.line, found.late, found.typing_only)


def _fault(found):
    importer, imported = part_of(found.importer), part_of(found.imported)
    if imported in JAX and importer not in JAX_PARTS:
        return f"imports {found.imported}; only {', '.join(JAX_PARTS)} may, the rest goes through the engine"
    if found.late and not any(_matches(found, row) for row in LATE_IMPORTS):
        return f"imports {found.imported} inside a function; move it to the top or add a row to LATE_IMPORTS"
    if found.imported.split(".")[0] != "dovetail" or found.typing_only or importer == imported:
        return None
    above, here = rank_of(imported), rank_of(importer)
    if above > here:
        return f"imports {found.imported} from above: {importer} is below {imported}"
    if above == here and importer != "top" and not _may_import_sibling(importer, imported):
        return (
            f"imports its sibling {found.imported}; declare the pair in SIBLINGS or move what is shared down"
        )
    return None


def _may_import_sibling(importer, imported):
    views = rank_of(NAMESPACES)
    return (importer, imported) in SIBLINGS or rank_of(importer) == rank_of(imported) == views


def _matches(found, row):
    importer, imported = row
    return fnmatch.fnmatch(found.importer, importer) and fnmatch.fnmatch(found.imported, imported)


class _Finder(ast.NodeVisitor):
    """Collects imports, knowing whether it stands in a function body or under `if TYPE_CHECKING`."""

    def __init__(self, module, is_package):
        self.module = module
        self.package = module if is_package else module.rpartition(".")[0]
        self.found = []
        self.function_depth = 0
        self.typing_depth = 0

    def visit_FunctionDef(self, node):
        self.function_depth += 1
        self.generic_visit(node)
        self.function_depth -= 1

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_If(self, node):
        typing_only = "TYPE_CHECKING" in ast.unparse(node.test)
        self.typing_depth += typing_only
        for child in node.body:
            self.visit(child)
        self.typing_depth -= typing_only
        for child in node.orelse:
            self.visit(child)

    def visit_Import(self, node):
        for alias in node.names:
            self._add(alias.name, node.lineno)

    def visit_ImportFrom(self, node):
        base = node.module or ""
        if node.level:
            package = self.package.split(".")
            above = package[: len(package) - node.level + 1]
            base = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            self._add(base if alias.name == "*" else f"{base}.{alias.name}", node.lineno)

    def visit_Call(self, node):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
        names = [a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if called in ("import_module", "__import__") and names:
            self._add(names[0], node.lineno)
        self.generic_visit(node)

    def _add(self, name, line):
        self.found.append(Import(self.module, name, line, self.function_depth > 0, self.typing_depth > 0))


if __name__ == "__main__":
    found_faults = check_tree()
    print("\n".join(found_faults) or "imports point down")
    sys.exit(bool(found_faults))
