"""YAML with the lines that its values are on."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

_QUOTED = ("alias", "anchor", "tag", "directive")
"""What PyYAML repeats in messages. A password that starts with `*`, `&`, `!` or `%` looks like one of these."""


class YamlError(Exception):
    """The text is not YAML; says why and where in one line, without the text, which may hold a password."""


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """Data from a text, with the lines of its values. An empty text is `{}`."""

    data: object
    root: yaml.Node | None

    def line_of(self, loc: tuple[str | int, ...]) -> int | None:
        """The line, from 1, of the key or list item at `loc`; of the nearest one around it if there is none."""
        node, line = self.root, None
        for part in loc:
            found = _below(node, part)
            if found is None:
                break
            line, node = found
        return line


def read_yaml(text: str) -> YamlDocument:
    """Read the text; nothing in it is run. Raises YamlError."""
    try:
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            _check_keys(root, set())
            data = {} if root is None else loader.construct_document(root)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise YamlError(_problem(error)) from None
    except (RecursionError, ValueError, OverflowError):  # thousands of brackets; a date or number that cannot be
        raise YamlError("nested too deeply, or an impossible date or number") from None
    return YamlDocument({} if data is None else data, root)


def _check_keys(node: yaml.Node | None, seen: set[int]) -> None:
    """Raises YamlError where a section has a key twice: the first value, perhaps a zone, would be lost silently."""
    if node is None or id(node) in seen:  # an alias stands for a node that was checked
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_keys(item, seen)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                line = key.start_mark.line + 1
                if key.value in lines:
                    raise YamlError(f"lines {lines[key.value]} and {line} have the same key; only one may stay")
                lines[key.value] = line
            _check_keys(value, seen)


def _below(node: yaml.Node | None, part: str | int) -> tuple[int, yaml.Node] | None:
    """Line and node of what `part` names in `node`."""
    if isinstance(node, yaml.MappingNode):
        # From the end: merged keys (`<<`) stand in front, and the section's own count.
        for key, value in reversed(node.value):
            if isinstance(key, yaml.ScalarNode) and key.value == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark.line + 1, item
    return None


def _problem(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark, problem = error.problem_mark, error.problem or "malformed"
        if any(word in problem for word in _QUOTED):
            problem = problem.partition("'")[0].rstrip()
        return f"{problem} in line {mark.line + 1}, column {mark.column + 1}"
    return "unreadable characters" if isinstance(error, yaml.reader.ReaderError) else "malformed"
