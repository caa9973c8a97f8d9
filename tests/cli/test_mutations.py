"""The faults that scripts/mutations plants can be planted: each text stands once in its file."""

import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from mutating.faults import FAULTS  # noqa: E402


class Faults(unittest.TestCase):
    def test_each_text_stands_once_in_its_file(self):
        self.assertGreater(len(FAULTS), 40)
        for fault in FAULTS:
            with self.subTest(fault.name):
                self.assertEqual((ROOT / fault.file).read_text().count(fault.old), 1)
                self.assertNotEqual(fault.old, fault.new)


if __name__ == "__main__":
    unittest.main()
