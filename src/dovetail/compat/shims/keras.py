"""What `import` finds in the processes that a program under `dovetail run` starts: Dovetail."""

from dovetail.compat.children import become_alias

become_alias(__name__)
