"""What the pages about names of other packages share: what is there of theirs, what is not, and why.

A page compares the names that a package shows, and their arguments one by one, with ours.  Absences and their reasons
stand in a table of four columns: package, pattern of paths, argument (empty: the whole name), reason.  The first row
that matches counts.  A reason for what is there, like an absence without a reason, keeps the check from passing.
"""

import csv
import inspect
import types
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
TAKES_ALL = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
SHARE = 0.97  # of the names of each package


@dataclass
class Report:
    """What one package shows, and what of it is there.

    Attributes:
        package: such as "keras", or a namespace of one.
        version: of the installed package; "" where all packages of a page have one.
        objects: for each public object, the paths that show it, such as ["layers.Dense"].
        absent: the paths that are not there.
        arguments: {path: names of arguments that ours does not take}.
        least: the share of names that must be there.
    """

    package: str
    version: str
    objects: list[list[str]]
    absent: list[str] = field(default_factory=list)
    arguments: dict[str, list[str]] = field(default_factory=dict)
    least: float = SHARE

    @property
    def there(self):
        missing = set(self.absent)
        return sum(not missing.intersection(paths) for paths in self.objects)


def report(package, version, paths, ours, compare, least=SHARE):
    """Return the Report of what a package shows against a namespace of ours.

    Args:
        package, version: see Report.
        paths: {path: object}, as of `public_paths`.
        ours: what stands for the package, such as `dovetail.keras`.
        compare: `f(their object, ours)` -> what is not right with the arguments of ours.
        least: the share of names that must be there.
    """
    found = Report(package, version, _by_object(paths), least=least)
    for path, theirs in paths.items():
        there, mine = resolve(ours, path)
        if not there:
            found.absent.append(path)
        elif wrong := compare(theirs, mine):
            found.arguments[path] = wrong
    return found


def public_paths(root):
    """Return {path below root: object} of all that a package shows, modules themselves left out."""
    paths, seen = {}, {id(root)}
    name = root.__name__.partition(".")[0]

    def walk(module, prefix):
        for attribute in sorted(vars(module)):
            value = vars(module)[attribute]
            if attribute.startswith("_") or (prefix == "" and attribute in ("src", "api")):
                continue
            if not isinstance(value, types.ModuleType):
                paths[prefix + attribute] = value
            elif value.__name__.startswith(name) and id(value) not in seen:
                seen.add(id(value))
                walk(value, f"{prefix}{attribute}.")

    walk(root, "")
    return paths


def _by_object(paths):
    groups = {}
    for path, value in paths.items():
        groups.setdefault(id(value) if callable(value) else path, []).append(path)
    return list(groups.values())


def resolve(root, path):
    """Return (whether root has the path, what stands there)."""
    value = root
    for part in path.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            return False, None
    return True, value


def missing_arguments(theirs, ours):
    """Return the names of the arguments that theirs takes by name and ours does not.

    What a constructor of ours hands to its base classes through `**kwargs` is what theirs take.
    """
    wanted, mine = _own(theirs), _named(ours)
    return [] if wanted is None or mine is None else [name for name in wanted if name not in mine]


def different_arguments(theirs, ours):
    """Return what differs in the arguments that theirs takes by name: "x", "x at 2", "x=None by default".

    "x" is one that ours does not take, "x at 2" one that ours takes by position elsewhere, and "x=None by default" one
    whose default is theirs alone.
    """
    missing = missing_arguments(theirs, ours)
    wanted, mine = _parameters(theirs) or {}, _parameters(ours) or {}
    places, own_places = _places(wanted), _places(mine)
    moved = [
        f"{name} at {place}"
        for name, place in places.items()
        if name in mine and own_places.get(name) != place and not set(missing) & set(list(places)[:place])
    ]
    defaults = [
        f"{name}={_shown(parameter.default)} by default"
        for name, parameter in wanted.items()
        if name in mine
        and not name.startswith("_")
        and _shown(parameter.default) != _shown(mine[name].default)
    ]
    return missing + moved + defaults


def _places(parameters):
    """Return {name: position} of the arguments that can be given by position; `self` has none."""
    taken = [
        name
        for name, parameter in parameters.items()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and name not in ("self", "name")  # a name is taken behind all others wherever it is shown
    ]
    return {name: place for place, name in enumerate(taken)}


def _shown(default):
    """Return a default in words that both packages have: a dtype by its name, a function by its own."""
    if default is inspect.Parameter.empty:
        return "none"
    name = getattr(default, "name", None) or getattr(default, "__name__", None)
    return name if isinstance(name, str) else str(tuple(default) if isinstance(default, list) else default)


def _own(item):
    """Return the names in the signature of a function or class, or None where there is no telling."""
    parameters = _parameters(item)
    return None if parameters is None else _by_name(parameters)


def _named(item):
    """Return all the names that can be given to a function or class, or None where there is no telling."""
    parameters = _parameters(item)
    if parameters is None:
        return None
    names = _by_name(parameters)
    if inspect.isclass(item) and any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for base in item.__mro__[:-1]:
            names += _by_name(_parameters(vars(base).get("__init__")) or {})
    return names


def _parameters(item):
    try:
        parameters = inspect.signature(item).parameters if callable(item) else None
        if inspect.isclass(item) and parameters and all(p.kind in TAKES_ALL for p in parameters.values()):
            parameters = inspect.signature(item.__init__).parameters  # what stands in front of it hides them
    except (TypeError, ValueError):
        return None
    return parameters


def _by_name(parameters):
    return [
        name
        for name, parameter in parameters.items()
        if parameter.kind in BY_NAME and name[0] != "_" and name != "self"
    ]


def reason_of(rows, package, path, argument=""):
    """Return the first row that speaks of an absence, or None."""
    for row in rows:
        if (
            row["package"] in (package, "*")
            and fnmatchcase(argument, row["argument"])
            and fnmatchcase(path, row["pattern"])
        ):
            return row
    return None


def unexplained(found, rows):
    """Return the absences of a Report that no row speaks of, as lines, and the indices of the rows that spoke."""
    lines, used = [], set()
    missing = [(path, "") for path in found.absent]
    missing += [(path, name) for path, names in found.arguments.items() for name in names]
    for path, argument in missing:
        row = reason_of(rows, found.package, path, argument)
        if row is None:
            lines.append(f"{found.package}: {path}" + (f", argument {argument}" if argument else ""))
        else:
            used.add(rows.index(row))
    return lines, used


def problems(reports, rows):
    """Return what keeps the check from passing, as lines."""
    lines, used = [], set()
    for found in reports:
        share = found.there / len(found.objects)
        if share < found.least:
            lines.append(
                f"{found.package}: {share:.1%} of the names are there, expected at least {found.least:.0%}"
            )
        more, spoke = unexplained(found, rows)
        lines += [f"no reason given: {line}" for line in more]
        used |= spoke
    idle = [row for index, row in enumerate(rows) if index not in used]
    return lines + [f"a reason for what is there: {row['package']}, {row['pattern']}" for row in idle]


@dataclass(frozen=True)
class Page:
    """A page about names.

    Attributes:
        reasons: the table of absences.
        page: the page.
        header: what it begins with.
        command: what writes it.
        reports: `f()` -> the Reports.
    """

    reasons: Path
    page: Path
    header: str
    command: str
    reports: types.FunctionType

    def read_reasons(self):
        """Return the rows of the table of absences."""
        with self.reasons.open(newline="") as lines:
            return list(csv.DictReader(lines))

    def render(self, reports, rows):
        """Return the text of the page."""
        parts = [self.header, "| package | there | of | share |\n|---|---:|---:|---:|"]
        parts += [
            f"| {f'{r.package} {r.version}'.strip()} | {r.there} | {len(r.objects)} | "
            f"{100 * r.there / len(r.objects):.1f}% |"
            for r in reports
        ]
        for found in reports:
            parts.append(f"\n## {found.package}: what is not there, and why\n")
            parts += _absences(found, rows) or ["Nothing."]
        return "\n".join(parts) + "\n"

    def main(self, arguments):
        """Print, write or check; return the exit status."""
        rows, found = self.read_reasons(), self.reports()
        text = self.render(found, rows)
        if arguments == ["--write"]:
            self.page.write_text(text)
            return 0
        if arguments != ["--check"]:
            print(text)
            return 0
        lines = problems(found, rows)
        if not self.page.exists() or self.page.read_text() != text:
            lines.append(f"{self.page.relative_to(ROOT)} is not up to date: python -m {self.command} --write")
        print("\n".join(lines))
        return bool(lines)


def _absences(found, rows):
    by_reason = {}
    for path in found.absent:
        row = reason_of(rows, found.package, path)
        by_reason.setdefault(row["reason"] if row else "no reason given", []).append(f"`{path}`")
    for path, names in found.arguments.items():
        for name in names:
            row = reason_of(rows, found.package, path, name)
            shown = name if " " in name else f"{name}="
            by_reason.setdefault(row["reason"] if row else "no reason given", []).append(f"`{path}({shown})`")
    return [f"- {reason}: {', '.join(paths)}" for reason, paths in by_reason.items()]
