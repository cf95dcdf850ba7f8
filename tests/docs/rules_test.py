"""The reference of the rules: what is found for a symbol, and what is refused."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import rules

DEFS = '''"""Rules.

    an_example(name = "x")
"""

load(":private/macro.bzl", _hidden = "macro", other = "constant_of_theirs")
load("//machete/private:rule.bzl", "LIST", "Info", _rule = "a_rule")

macro = _hidden
a_rule = _rule
AInfo = Info
A_LIST = LIST
_private = other
'''

MACRO = '''"""A macro."""

def macro(name, srcs, mode = "a|b", **kwargs):
    """Makes a thing.

    Two paragraphs:

        macro(name = "x")

    Args:
      name: the name
        of the thing.
      srcs (list of labels): sources: all of them.
      mode: one of `a|b`.
      **kwargs: the rest.

    Returns:
      nothing.
    """
'''

RULE = '''"""A rule."""

_COMMON = {"data": attr.label_list(doc = "Data.")}
_NAMES = {"kind": attr.string(default = "x", doc = "Its " +
                                                     "kind.")}

Info = provider(doc = "What is made.", fields = {"files": "The files."})

# All of the
# names.
LIST = ["a"]

a_rule = rule(
    doc = "Does it.",
    implementation = lambda ctx: [],
    attrs = {
        "of": attr.label(doc = "A library.", mandatory = True),
        "_tool": attr.label(default = "//x"),
    } | _COMMON | _NAMES,
)
'''


class ReferenceTest(unittest.TestCase):
    """A module of the test's own."""

    def setUp(self) -> None:
        """Writes it."""
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()), "machete")
        (self.folder / "private").mkdir(parents=True)
        self.write("defs.bzl", DEFS)
        self.write("private/macro.bzl", MACRO)
        self.write("private/rule.bzl", RULE)

    def write(self, name: str, text: str) -> None:
        """Writes a file of the module."""
        (self.folder / name).write_text(text)

    def reference(self) -> str:
        """The page."""
        return rules.reference(self.folder / "defs.bzl")

    def section(self, name: str) -> str:
        """What the page says of a symbol."""
        return self.reference().split(f"\n## {name}\n")[1].split("\n## ")[0]

    def test_head(self) -> None:
        head, *others = self.reference().split("\n## ")
        self.assertIn('\nRules.\n\n    an_example(name = "x")\n', head)
        names = [other.split("\n")[0] for other in others]
        self.assertEqual(names, ["AInfo", "A_LIST", "a_rule", "macro"])

    def test_macro(self) -> None:
        section = self.section("macro")
        self.assertIn('load("@machete//machete:defs.bzl", "macro")', section)
        self.assertIn('\nmacro(name, srcs, mode = "a|b", **kwargs)\n', section)
        self.assertIn('\nTwo paragraphs:\n\n    macro(name = "x")\n', section)
        self.assertIn("| `name` | the name of the thing. |", section)
        self.assertIn("| `srcs` | sources: all of them. |", section)
        self.assertIn("| `mode` | one of `a\\|b`. |", section)
        self.assertIn("| `**kwargs` | the rest. |", section)
        self.assertIn("Returns: nothing.", section)

    def test_rule(self) -> None:
        section = self.section("a_rule")
        self.assertIn("a_rule(name, of, ...)", section)
        self.assertIn("Does it.", section)
        self.assertIn("| `of` | label, mandatory | A library. |", section)
        self.assertIn("| `data` | label list | Data. |", section)
        self.assertIn('| `kind` | string, default `"x"` | Its kind. |', section)
        self.assertNotIn("_tool", section)

    def test_provider_and_constant(self) -> None:
        self.assertIn("| `files` | The files. |", self.section("AInfo"))
        self.assertIn("All of the names.", self.section("A_LIST"))

    def test_refused(self) -> None:
        for name, old, new, message in (
            ("private/macro.bzl", "      mode: one of `a|b`.\n", "", "macro: .*lacks \\['mode'\\]"),
            ("private/macro.bzl", "mode = ", "moda = ", "lacks \\['moda'\\], and has \\['mode'\\]"),
            ("private/rule.bzl", 'doc = "Does it.",', "", "a_rule has no documentation"),
            ("private/rule.bzl", 'doc = "Data."', "", "the attribute data has no doc"),
            ("private/rule.bzl", "LIST = ", "\nLIST = ", "LIST has no documentation"),
            ("defs.bzl", "= _rule", "= _no_rule", "_no_rule is not defined"),
            ("defs.bzl", "//machete/private", "@else//private", "another module"),
        ):
            text = (self.folder / name).read_text()
            self.write(name, text.replace(old, new))
            with self.subTest(message), self.assertRaisesRegex(rules.DocError, message):
                self.reference()
            self.write(name, text)


if __name__ == "__main__":
    unittest.main()
