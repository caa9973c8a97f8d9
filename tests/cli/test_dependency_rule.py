"""The folders' dependency rule: core <- {rnn, attention} <- harness <- tests.

`rnn` and `attention` see neither each other nor the harness, `core` sees none of them.
"""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALLOWED = {
    "core": {"core"},
    "rnn": {"core", "rnn"},
    "attention": {"core", "attention"},
    "harness": {"core", "rnn", "attention", "harness"},
}


def forbidden_includes(root):
    """(file, include) for every project include that the rule does not allow."""
    found = []
    for folder, allowed in ALLOWED.items():
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in {".h", ".cc"}:
                continue
            for include in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.M):
                if include.split("/")[0] not in allowed:
                    found.append((str(path.relative_to(root)), include))
    return found


class DependencyRule(unittest.TestCase):
    def test_every_folder_includes_only_what_it_may(self):
        self.assertEqual(forbidden_includes(ROOT), [])

    def test_every_folder_is_there(self):
        for folder in ALLOWED:
            self.assertTrue(list((ROOT / folder).glob("*.cc")), folder)

    def test_a_violation_is_found(self):
        import tempfile

        with tempfile.TemporaryDirectory() as scratch:
            root = pathlib.Path(scratch)
            for folder in ALLOWED:
                (root / folder).mkdir()
            (root / "rnn" / "bad.cc").write_text('#include "attention/naive.h"\n')
            self.assertEqual(forbidden_includes(root), [("rnn/bad.cc", "attention/naive.h")])


if __name__ == "__main__":
    unittest.main()
