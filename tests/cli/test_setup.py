"""How the scripts start: the venv of scripts/bootstrap, where the repository may stand, what the
caller's folder and variables change (nothing), and output that cannot be written.

Packages of a few bytes stand in for those of scripts/requirements.txt; nothing is downloaded.
"""

import base64
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True

SHELL_SCRIPTS = [path for path in sorted((ROOT / "scripts").iterdir())
                 if path.is_file() and path.read_bytes().startswith(b"#!/usr/bin/env bash")]
# Those that need neither a build nor a venv to say what they are.
MODULES = ["peers --help", "mutations --help", "mutations --list", "noise_check --help",
           "compare_power --help"]
UNUSABLE = [":", ";", "#", "$", "\\", '"', "*", "?", "|", "<", ">", "[", "]", "\n", "\t", "\udce9"]


def in_folder(folder, *command, **variables):
    """The finished process of a command that starts in `folder`, its output as text."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300,
                          errors="surrogateescape", env=os.environ | variables)


def copy_scripts(checkout):
    shutil.copytree(ROOT / "scripts", checkout / "scripts",
                    ignore=shutil.ignore_patterns("__pycache__"))


def write_wheel(folder, name, module, code="", version="1.0"):
    """A package with one module. Returns its line for requirements.txt."""
    record = f"{name}-{version}.dist-info"
    files = {f"{module}/__init__.py": code, f"{module}/part.py": "value = 1\n",
             f"{record}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
             f"{record}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
                                "Tag: py3-none-any\n"}
    rows = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
        rows.append(f"{path},sha256={digest.rstrip('=')},{len(text)}\n")
    files[f"{record}/RECORD"] = "".join(rows) + f"{record}/RECORD,,\n"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{name.replace('_', '-')}=={version} \\\n    --hash=sha256:{digest}\n"


def can_bootstrap():
    """Whether scripts/bootstrap finds its Debian package, which a test must not install."""
    if not shutil.which("dpkg-query") or not shutil.which("apt-get"):
        return False
    process = subprocess.run(["dpkg-query", "--show", "--showformat=${db:Status-Status}",
                              "python3-venv"], capture_output=True, text=True)
    return process.stdout == "installed"


class Checkout(unittest.TestCase):
    """A copy of the scripts with three small packages, `self.root`, beside `self.folder`."""

    # A long name (a script's first line ends after 127 bytes) with what a shell takes apart.
    NAME = "it's 100 % & {a} ` é " + "long" * 35

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.root = self.folder / self.NAME
        copy_scripts(self.root)
        self.wheels = self.folder / "wheels"
        self.wheels.mkdir()
        self.home = self.folder / "home"
        self.home.mkdir()
        self.require()

    def require(self, code=""):
        lines = [write_wheel(self.wheels, "pandas", "pandas", code),
                 write_wheel(self.wheels, "altair", "altair"),
                 write_wheel(self.wheels, "vl_convert_python", "vl_convert")]
        (self.root / "scripts/requirements.txt").write_text("".join(lines))

    def bootstrap(self, **variables):
        return in_folder(self.folder, self.root / "scripts/bootstrap", "--python-only",
                         **{"HOME": str(self.home), "PIP_FIND_LINKS": str(self.wheels),
                            "PIP_NO_INDEX": "1"} | variables)

    def venv_imports(self, module):
        process = in_folder(self.folder, self.root / ".venv/bin/python", "-I", "-c",
                            f"import {module}; print({module}.__file__)")
        return process.returncode == 0 and str(self.root / ".venv") in process.stdout


@unittest.skipUnless(can_bootstrap(), "needs Debian's python3-venv")
class Bootstrap(Checkout):
    def test_what_the_caller_set_for_pip_and_python_does_not_reach_the_venv(self):
        from python_venv import is_whole

        elsewhere = self.folder / "elsewhere"
        decoys = self.folder / "decoys"
        decoys.mkdir()
        for name in ("pandas", "pip", "venv", "json"):
            (decoys / f"{name}.py").write_text(f"print('decoy {name}')\n")
        (self.home / ".config/pip").mkdir(parents=True)
        # Where to download from comes from here: the variable is empty.
        (self.home / ".config/pip/pip.conf").write_text(
            f"[global]\nfind-links = {self.wheels}\nno_index = true\nquiet = 3\n"
            f"[install]\ntarget = {elsewhere}\nuser = true\n")
        hostile = {"PIP_FIND_LINKS": "", "PIP_NO_INDEX": "", "PIP_USER": "1",
                   "PIP_TARGET": str(elsewhere), "PIP_PREFIX": str(elsewhere),
                   "PIP_ROOT": str(elsewhere), "PIP_DRY_RUN": "1", "PIP_IGNORE_INSTALLED": "0",
                   "PYTHONPATH": str(decoys), "PYTHONHOME": str(decoys),
                   "PYTHONUSERBASE": str(elsewhere), "CDPATH": str(ROOT.parent)}
        process = in_folder(decoys, self.root / "scripts/bootstrap", "--python-only",
                            HOME=str(self.home), XDG_CONFIG_HOME="", PIP_CONFIG_FILE="", **hostile)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn("bootstrap: done", process.stdout)
        self.assertNotIn("decoy", process.stdout + process.stderr)
        self.assertFalse(elsewhere.exists())
        for module in ("pandas", "altair", "vl_convert"):
            self.assertTrue(self.venv_imports(module), module)

        # Moved, it is still there; and whatever is taken from it is missed.
        moved = self.folder / "moved"
        self.root.rename(moved)
        self.root = moved
        process = self.bootstrap()
        self.assertEqual(process.stdout, "bootstrap: nothing to install\n", process.stderr)
        venv, requirements = moved / ".venv", moved / "scripts/requirements.txt"
        site = next(venv.glob("lib/python*/site-packages"))
        self.assertTrue(is_whole(venv, requirements))
        for what in (venv / "seqbench-stamp", venv / "bin/python3", site / "pandas",
                     site / "altair/part.py", site / "pandas-1.0.dist-info",
                     site / "altair-1.0.dist-info/RECORD"):
            with self.subTest(taken=what.name):
                what.rename(self.folder / "taken")
                self.assertFalse(is_whole(venv, requirements))
                (self.folder / "taken").rename(what)
                self.assertTrue(is_whole(venv, requirements))
        (site / "pandas/part.py").write_text("")  # cut off
        self.assertFalse(is_whole(venv, requirements))
        process = self.bootstrap()
        self.assertIn("bootstrap: done", process.stdout, process.stderr)
        self.assertTrue(is_whole(venv, requirements))
        requirements.write_text(requirements.read_text() + "# changed\n")
        self.assertFalse(is_whole(venv, requirements))

    def test_a_package_that_cannot_be_imported_is_not_recorded_as_installed(self):
        self.require(code="raise ImportError('broken on this machine')\n")
        process = self.bootstrap()
        self.assertEqual(process.returncode, 1)
        self.assertIn("pandas", process.stderr)
        self.assertIn("broken on this machine", process.stderr)
        self.assertNotIn("Traceback", process.stderr)
        self.assertFalse((self.root / ".venv/seqbench-stamp").exists())


class PipSettings(unittest.TestCase):
    def settings(self, files=None, **variables):
        """The PIP_ variables that pip would see, with files below a home of their own."""
        with tempfile.TemporaryDirectory() as home:
            for name, text in (files or {}).items():
                path = pathlib.Path(home) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            variables = {name: value.replace("~", home) for name, value in variables.items()}
            process = subprocess.run(
                [sys.executable, "-I", "-c",
                 "import json, sys; sys.path.insert(0, sys.argv[1]); import python_venv\n"
                 "print(json.dumps(python_venv.clean_environment()))",
                 ROOT / "scripts"], capture_output=True, text=True,
                env={"HOME": home, "XDG_CONFIG_DIRS": f"{home}/xdg"} | variables)
        self.assertEqual(process.returncode, 0, process.stderr)
        settings = {name: value for name, value in json.loads(process.stdout).items()
                    if name.startswith(("PIP_", "PYTHON"))}
        self.assertEqual(settings.pop("PIP_CONFIG_FILE"), "/dev/null")
        settings.pop("PIP_CERT", None)  # this machine's own /etc/pip.conf
        return settings

    def test_where_to_download_from_is_kept_and_nothing_else(self):
        kept = {"PIP_INDEX_URL": "https://mirror/simple",
                "PIP_EXTRA_INDEX_URL": "https://a https://b", "PIP_PROXY": "http://proxy", "PIP_CLIENT_CERT": "/c", "PIP_TRUSTED_HOST": "mirror",
                "PIP_TIMEOUT": "5", "PIP_RETRIES": "0", "PIP_CACHE_DIR": "/cache",
                "PIP_FIND_LINKS": "/wheels"}
        self.assertEqual(self.settings(**kept, PIP_USER="1", PIP_TARGET="/t", PIP_PRE="1",
                                       PIP_CONSTRAINT="/c", PIP_QUIET="3", PYTHONPATH="/p"), kept)

    def test_files_are_read_in_pips_order(self):
        files = {"xdg/pip/pip.conf": "[global]\nindex-url = shared\nretries = 1\ntimeout = 9\n",
                 ".pip/pip.conf": "[global]\nindex-url = old\nretries = 2\n",
                 ".config/pip/pip.conf": "[global]\nindex_url = own\n[install]\nretries = 3\n"
                                         "user = yes\n[list]\nproxy = other\n",
                 "named.conf": "[global]\nindex-url = named\n"}
        self.assertEqual(self.settings(files), {"PIP_INDEX_URL": "own", "PIP_RETRIES": "3",
                                                "PIP_TIMEOUT": "9"})
        self.assertEqual(self.settings(files, PIP_RETRIES="4")["PIP_RETRIES"], "4")
        self.assertEqual(self.settings(files, PIP_CONFIG_FILE="~/named.conf"),
                         {"PIP_INDEX_URL": "named", "PIP_RETRIES": "1", "PIP_TIMEOUT": "9"})
        self.assertEqual(self.settings(files, PIP_CONFIG_FILE="/dev/null"), {})

    def test_lists_stay_lists(self):
        files = {".config/pip/pip.conf": "[global]\nfind-links =\n    /one\n    /two\n"
                                         "trusted-host = a b\n"}
        self.assertEqual(self.settings(files)["PIP_FIND_LINKS"].split(), ["/one", "/two"])


class Folder(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def test_a_repository_in_a_folder_that_tools_cannot_take_is_refused(self):
        for name in (*(f"10{character}21" for character in UNUSABLE), "10\n"):
            checkout = self.folder / name
            copy_scripts(checkout)
            before = sorted(checkout.rglob("*"))
            for script in ("bootstrap", "plot", "peers", "reproduce", "test"):
                with self.subTest(name=name, script=script):
                    process = in_folder(self.folder, checkout / "scripts" / script)
                    self.assertEqual(process.returncode, 1, process.stderr)
                    self.assertEqual(process.stderr.count("\n"), 1, process.stderr)
                    self.assertTrue(process.stderr.startswith(f"{script}: "), process.stderr)
                    self.assertIn(f"{self.folder}/10", process.stderr)
                    self.assertEqual(process.stdout, "")
            self.assertEqual(sorted(checkout.rglob("*")), before)

    def test_a_repository_in_any_other_folder_is_none_of_their_business(self):
        for name in ("a b", "it's", "100%", "a&b", "é", "-a", "a,b", "@VERSION@", "{a}", "~",
                     "`", "!", "(", "long" * 40):
            checkout = self.folder / name
            copy_scripts(checkout)
            for where, script in ((self.folder, checkout / "scripts/mutations"),
                                  (self.folder, f"./{name}/scripts/mutations"),
                                  (checkout / "scripts", "./mutations")):
                with self.subTest(name=name, script=script):
                    process = in_folder(where, script, "--help", CDPATH=str(ROOT))
                    self.assertEqual(process.returncode, 0, process.stderr)
                    self.assertTrue(process.stdout.startswith("usage: scripts/mutations"))

    def test_every_script_starts_by_looking_at_its_folder(self):
        self.assertGreater(len(SHELL_SCRIPTS), 12)
        for path in SHELL_SCRIPTS:
            self.assertEqual(path.read_text().splitlines()[2:4], [
                "set -euo pipefail",
                'source -- "$(dirname -- "${BASH_SOURCE[0]}")/start.sh"'], path.name)

    def test_the_folder_and_the_variables_of_the_caller_decide_no_import(self):
        decoys = self.folder / "decoys"
        decoys.mkdir()
        for name in ("argparse", "csv", "json", "pathlib", "runpy", "mutating", "peer_runs",
                     "sitecustomize", "usercustomize"):
            (decoys / f"{name}.py").write_text("raise SystemExit('decoy')\n")
        for script in MODULES:
            for variables in ({}, {"PYTHONPATH": str(decoys)}, {"PYTHONHOME": str(decoys)},
                              {"PYTHONSAFEPATH": "", "PYTHONSTARTUP": str(decoys / "json.py"),
                               "PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error"}):
                with self.subTest(script=script, variables=variables):
                    process = in_folder(decoys, ROOT / "scripts" / script.split()[0],
                                        script.split()[1], **variables)
                    self.assertEqual(process.returncode, 0, process.stderr)
                    self.assertEqual(process.stderr, "")

    def test_output_that_cannot_be_written_is_one_line_and_exit_code_1(self):
        for script in MODULES:
            name, option = script.split()
            for where in (">/dev/full", ">&-"):
                with self.subTest(script=script, where=where):
                    process = in_folder(self.folder, "bash", "-c",
                                        f'"$0" {option} {where}', ROOT / "scripts" / name)
                    self.assertEqual(process.returncode, 1, process.stderr)
                    self.assertEqual(process.stderr.count("\n"), 1, process.stderr)
                    self.assertTrue(process.stderr.startswith(
                        f"{name}: standard output cannot be written: "), process.stderr)

    def test_a_reader_that_goes_away_leaves_no_traceback(self):
        process = in_folder(self.folder, "bash", "-c", '"$0" --list | true; exit ${PIPESTATUS[0]}',
                            ROOT / "scripts/mutations")
        self.assertIn(process.returncode, (0, 1))
        self.assertLessEqual(process.stderr.count("\n"), 1, process.stderr)

    def test_usage_errors_keep_their_code_where_stderr_cannot_be_written(self):
        for script in ("peers", "mutations", "noise_check", "compare_power"):
            with self.subTest(script):
                process = in_folder(self.folder, "bash", "-c", '"$0" --nonsense 2>/dev/full',
                                    ROOT / "scripts" / script)
                self.assertEqual(process.returncode, 2)


if __name__ == "__main__":
    unittest.main()
