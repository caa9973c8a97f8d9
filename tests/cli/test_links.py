"""Every file that a tracked page of Markdown links to is tracked too: a reader's clone has it, and the
heading where the link names one."""

import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def tracked():
    listing = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True)
    if listing.returncode != 0:
        raise unittest.SkipTest("not a git clone")
    return {ROOT / name for name in listing.stdout.decode().split("\0") if name}


def broken_links(page, files):
    """What a page links to inside the project, and nobody has."""
    folders = {parent for file in files for parent in file.parents}
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    local = [target for target in targets if "://" not in target]
    return [target for target in local
            if (page.parent / target).resolve() not in files | folders]


def anchors(text):
    """What the headings of a page are called in links, as GitHub makes it."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_anchors(page):
    """What a page links to inside pages that have no such heading."""
    broken = []
    for path, anchor in re.findall(r"\]\(([^)#\s]*\.md|)#([^)\s]+)\)", page.read_text()):
        target = (page.parent / path).resolve() if path else page
        if "://" not in path and target.exists() and anchor not in anchors(target.read_text()):
            broken.append(f"{path}#{anchor}")
    return broken


class Links(unittest.TestCase):
    def test_every_linked_file_is_tracked(self):
        files = tracked()
        pages = [file for file in files if file.suffix == ".md"]
        self.assertIn(ROOT / "README.md", pages)
        self.assertEqual({str(page.relative_to(ROOT)): broken_links(page, files)
                          for page in pages if broken_links(page, files)}, {})

    def test_every_linked_heading_is_there(self):
        pages = [file for file in tracked() if file.suffix == ".md"]
        self.assertEqual({str(page.relative_to(ROOT)): broken_anchors(page)
                          for page in pages if broken_anchors(page)}, {})
        self.assertEqual(anchors("# A\n```\n# no\n```\n## The table of `compare`\n"),
                         {"a", "the-table-of-compare"})

    def test_a_broken_link_is_found(self):
        page = ROOT / "README.md"
        self.assertTrue(broken_links(page, {page}))


if __name__ == "__main__":
    unittest.main()
