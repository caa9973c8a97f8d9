# Sourced first by every script here: sets `root`, the repository's folder, and refuses one that the
# tools cannot work in, before anything is installed or built.

unset CDPATH  # cd would go elsewhere, and say so
# The dot keeps line breaks at the end of the folder's name.
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && printf '%s.' "$PWD")
root=${root%.}

# ':' ends a name in Python's paths and ';' one in CMake's lists; CMake or Ninja take the others for
# patterns, comments or quotes.
unusable='[]:;#"\*?$|<>[:cntrl:][]'
expected=
if [[ $root =~ $unusable ]]; then
  expected="without ${BASH_REMATCH[0]@Q}"
elif ! iconv --from-code UTF-8 --to-code UTF-8 <<<"$root" >/dev/null 2>&1; then
  expected="in UTF-8"
fi
if [[ -n $expected ]]; then
  echo "${0##*/}: the folder of seqbench is ${root@Q}; expected a name $expected, which CMake and" \
    "Python's venv need" >&2
  exit 1
fi

# run_python PYTHON ISOLATION MODULE ARGUMENT...: a module of scripts/ in place of the calling
# script. ISOLATION is -I, or -E for a Python of the user's choice, whose libraries may be in the
# user's own folder: either way the caller's folder and PYTHON... variables do not matter.
run_python() {
  local python=$1 isolation=$2 module=$3
  shift 3
  if ! command -v -- "$python" >/dev/null; then
    echo "${0##*/}: there is no Python '$python'" >&2
    exit 1
  fi
  exec "$python" "$isolation" -X utf8 -B "$root/scripts/isolated.py" "${0##*/}" "$module" "$@"
}

# The Python that scripts/peers uses: the variable's, or that of the venv which it has made.
peers_python() { printf '%s' "${SEQBENCH_PEERS_PYTHON:-$root/.venv-peers/bin/python}"; }
