"""Prints, as a JSON list, every string literal of Python files that is an XML document.

Usage: xml_literals.py DIRECTORY

Literals that stand side by side count as one, as they do in Python.
"""

import ast
import json
import pathlib
import sys
import xml.etree.ElementTree


def literals(path):
    """The string and byte literals of a Python file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        value = getattr(node, "value", None) if isinstance(node, ast.Constant) else None
        if isinstance(value, bytes):
            value = value.decode("utf-8", errors="replace")
        if isinstance(value, str) and value.strip().startswith("<"):
            yield value.strip()


def is_xml(text):
    """Whether a text is a well-formed document."""
    try:
        xml.etree.ElementTree.fromstring(text)
    except xml.etree.ElementTree.ParseError:
        return False
    return True


def main():
    """Collects and prints."""
    files = sorted(pathlib.Path(sys.argv[1]).rglob("*.py"))
    found = {text for path in files for text in literals(path) if is_xml(text)}
    json.dump(sorted(found), sys.stdout)


main()
