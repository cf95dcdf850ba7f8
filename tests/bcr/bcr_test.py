"""The templates of an entry in the Central Registry are well-formed and name what is there."""

from __future__ import annotations

import json
import re
import unittest
from pathlib import Path

LINE = re.compile(r'( *)(?:- "([^"]*)"|(\w+):(?: "([^"]*)"| (\$\{\{ \w+ \}\}))?)')


def read_yaml(text: str) -> dict:
    """Reads the little of YAML that presubmit.yml uses: mappings, lists of quoted strings."""
    root: dict = {}
    # The open mappings and lists, each with its indentation, and a key whose value is yet to come.
    stack: list[tuple[int, dict | list]] = [(0, root)]
    pending: tuple[dict, str] | None = None
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if not match:
            raise ValueError(f"unexpected line: {line}")
        indent, item, key = len(match[1]), match[2], match[3]
        if pending:
            if indent <= stack[-1][0]:
                raise ValueError(f"no value before: {line}")
            value: dict | list = {} if item is None else []
            pending[0][pending[1]] = value
            stack.append((indent, value))
            pending = None
        while indent < stack[-1][0]:
            stack.pop()
        where, container = stack[-1]
        if indent != where or isinstance(container, list) != (item is not None):
            raise ValueError(f"misplaced: {line}")
        if isinstance(container, list):
            container.append(item)
        elif key in container:
            raise ValueError(f"twice: {line}")
        elif match[4] is not None or match[5] is not None:
            container[key] = match[4] if match[4] is not None else match[5]
        else:
            pending = (container, key)
    if pending:
        raise ValueError(f"no value for {pending[1]}")
    return root


class TemplatesTest(unittest.TestCase):
    """What publish-to-bcr reads."""

    def test_metadata(self) -> None:
        metadata = json.loads(Path(".bcr/metadata.template.json").read_text())
        self.assertEqual(
            sorted(metadata),
            ["homepage", "maintainers", "repository", "versions", "yanked_versions"],
        )
        self.assertEqual((metadata["versions"], metadata["yanked_versions"]), ([], {}))
        for place in metadata["repository"]:
            self.assertEqual(metadata["homepage"], place.replace("github:", "https://github.com/"))

    def test_source(self) -> None:
        source = json.loads(Path(".bcr/source.template.json").read_text())
        self.assertEqual(sorted(source), ["integrity", "strip_prefix", "url"])
        self.assertEqual(source["integrity"], "")
        names = re.findall(r"\{(\w+)\}", source["url"] + source["strip_prefix"])
        self.assertLessEqual(set(names), {"OWNER", "REPO", "TAG", "VERSION"})

    def test_presubmit(self) -> None:
        presubmit = read_yaml(Path(".bcr/presubmit.yml").read_text())
        self.assertEqual(list(presubmit), ["bcr_test_module"])
        module = presubmit["bcr_test_module"]
        self.assertIn(module["module_path"], Path(".bazelignore").read_text().split())
        self.assertEqual(sorted(module["matrix"]), ["bazel", "platform"])
        for task in module["tasks"].values():
            self.assertEqual(task["platform"], "${{ platform }}")
            self.assertEqual(task["bazel"], "${{ bazel }}")
            self.assertIn("//...", task["build_targets"])

    def test_faults_are_found(self) -> None:
        for text in ('a: "b', "a:\n", 'a:\n- "b"', 'a: "b"\n  c: "d"', 'a:\n  - "b"\n  c: "d"'):
            with self.subTest(text), self.assertRaises(ValueError):
                read_yaml(text)


if __name__ == "__main__":
    unittest.main()
