"""The venvs of scripts/bootstrap and scripts/peers: made, filled by pip, and looked at before they
count as there. Standard library only.

    scripts/isolated.py NAME python_venv check REQUIREMENTS
        run by a venv's own Python; exit code 0 when what is required is there, whole
    scripts/isolated.py NAME python_venv install VENV REQUIREMENTS OPTIONS MODULES
        run by the Python that the venv is made from; OPTIONS (of pip) and MODULES (to be imported
        once) are lists of words
"""

import configparser
import csv
import hashlib
import importlib
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

# Where pip downloads from and how it gets there. Whatever else the caller has set for pip, such as
# another folder to install into, is for the caller's own installations.
KEPT_SETTINGS = ("index-url extra-index-url no-index find-links proxy cert client-cert "
                 "trusted-host timeout default-timeout retries cache-dir no-cache-dir "
                 "keyring-provider").split()

STAMP = "seqbench-stamp"  # written when the modules were imported


class VenvError(Exception):
    """The venv cannot be made; the message says why."""


def is_whole(venv, requirements):
    """Whether the venv's own Python runs and finds all that is required."""
    command = isolated(venv / "bin/python", "check", requirements)
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def install(venv, requirements, pip_options, modules):
    """Makes the venv anew from this Python. Raises VenvError."""
    python = venv / "bin/python"
    environment = clean_environment()
    (venv / STAMP).unlink(missing_ok=True)
    run("venv", [sys.executable, "-I", "-m", "venv", "--clear", venv], environment)
    run("pip", [python, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                "--no-input", "--only-binary", ":all:", *pip_options, "--requirement",
                requirements], environment)
    run("Python", isolated(python, "finish", requirements, *modules), environment)


def isolated(python, *arguments):
    """The command that runs this module by another Python."""
    launcher = Path(__file__).resolve().with_name("isolated.py")
    return [python, "-I", "-X", "utf8", "-B", launcher, "venv", "python_venv", *arguments]


def run(what, command, environment):
    """Raises VenvError when the command, which has said why, fails."""
    code = subprocess.run(command, env=environment, stdout=sys.stderr).returncode
    if code != 0:
        raise VenvError(f"{what} ended with exit code {code}")


def clean_environment():
    """This process's, without the caller's settings of Python and pip but for KEPT_SETTINGS."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "PIP_"))}
    settings = settings_of_files() | settings_of_variables()
    kept |= {f"PIP_{name.upper().replace('-', '_')}": value for name, value in settings.items()
             if name in KEPT_SETTINGS and value}
    return kept | {"PIP_CONFIG_FILE": os.devnull}


def settings_of_variables():
    return {setting_name(name[len("PIP_"):]): value for name, value in os.environ.items()
            if name.startswith("PIP_") and value}


def settings_of_files():
    """Those of pip's configuration files for `pip install`. Raises VenvError."""
    parser = configparser.RawConfigParser()
    for file in configuration_files():
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise VenvError(f"{file}: cannot be read: {' '.join(str(error).split())}") from error
    return {setting_name(name): value for section in ("global", "install")
            if parser.has_section(section) for name, value in parser.items(section)}


def setting_name(name):
    """As pip reads it: no_index and --no-index are no-index."""
    return name.lower().replace("_", "-").removeprefix("--")


def configuration_files():
    """In the order in which pip reads them: a later file overrides an earlier one."""
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path(os.path.expanduser("~"))
    shared = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    files = [Path(folder) / "pip/pip.conf" for folder in shared.split(":")]
    files.append(Path("/etc/pip.conf"))
    if named and Path(named).exists():
        return [*files, Path(named)]
    own = os.environ.get("XDG_CONFIG_HOME") or home / ".config"
    return [*files, home / ".pip/pip.conf", Path(own) / "pip/pip.conf"]


def finish(requirements, modules):
    """Imports the modules and writes the stamp. Raises VenvError."""
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever a package throws
            raise VenvError(f"{name}: installed but cannot be imported: {error}") from error
    problem = packages_problem(requirements)
    if problem:
        raise VenvError(problem)
    Path(sys.prefix, STAMP).write_text(stamp(requirements))


def stamp(requirements):
    """The venv is made anew when the requirements or the Python behind it change."""
    return f"{sys.version}\n{hashlib.sha256(Path(requirements).read_bytes()).hexdigest()}\n"


def problem_of(requirements):
    """"" or what is wrong with the venv of this Python."""
    try:
        if Path(sys.prefix, STAMP).read_text() != stamp(requirements):
            return "other requirements or another Python"
    except (OSError, UnicodeDecodeError):
        return "not installed to its end"
    return packages_problem(requirements)


def packages_problem(requirements):
    """"" or what is not there as pip has installed it. Looks at names and sizes alone: every script
    asks."""
    site = Path(sysconfig.get_path("purelib"))
    installed = {folder.name for folder in site.glob("*.dist-info")}
    installed = {normalised(name.removesuffix(".dist-info")): name for name in installed}
    text = Path(requirements).read_text(encoding="utf-8")
    for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE):
        folder = installed.get(normalised(f"{name}-{version}"))
        if folder is None:
            return f"{name} {version}: not in {site}"
        absent = first_absent(site, site / folder / "RECORD")
        if absent:
            return f"{name} {version}: {absent} is not there or has another size"
    return ""


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def first_absent(site, record):
    """A file that a package's list has and the venv has not, "" for none."""
    try:
        with open(record, encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except OSError:
        return record.name
    for path, _, size in rows:
        # The list has no size of itself, and Python makes compiled modules anew.
        if not size or path.endswith(".pyc"):
            continue
        try:
            if os.stat(f"{site}/{path}").st_size != int(size):
                return path
        except OSError:
            return path
    return ""


def main(what, *arguments):
    if what == "check":
        return 1 if problem_of(*arguments) else 0
    try:
        if what == "finish":
            finish(arguments[0], arguments[1:])
        else:
            venv, requirements, options, modules = arguments
            install(Path(venv), requirements, options.split(), modules.split())
    except (VenvError, OSError) as error:
        print(f"{sys.argv[0]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
