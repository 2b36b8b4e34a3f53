# What .ci/run and .ci/full share: a scratch folder, environments in it, and steps that can be run alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scratch=$(mktemp -d)
trap 'wait; rm -rf "$scratch"' EXIT # for what still writes there
unset PYTHONPATH PYTEST_ADDOPTS RNNFAST_ISA RNNFAST_BACKEND RNNFAST_NUM_THREADS

# need PROGRAM PACKAGE: installs a Debian package where the program is missing.
need() {
  type -P "$1" >/dev/null || apt_install "$2"
}
apt_install() {
  apt-get update -q && apt-get install -qy "$@"
}

# environment NAME REQUIREMENT...: a virtual environment in the scratch folder, made once. Python compiles what is imported
# of it, a small part, so pip need not compile all: a minute where PyTorch and JAX are in it.
environment() {
  [ -d "$scratch/$1" ] && return
  python3 -m venv "$scratch/$1"
  "$scratch/$1/bin/pip" install -q --no-compile "${@:2}"
}

# extra NAME: the requirements of one of pyproject.toml's extras, without rnnfast itself.
extra() {
  python3 - "$1" <<'END'
import sys, tomllib

project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print(*(r for r in project["optional-dependencies"][sys.argv[1]] if not r.startswith("rnnfast")))
END
}

# readme WORD NAME SECONDS: runs the README's own command that holds this word, with environment NAME for its .venv.
readme() {
  local command
  command=$(grep -m1 -E "^ *python3 -m venv .*$1" README.md) || { echo "README.md has no such command: $1"; return 1; }
  echo "+ $command"
  timeout "$3" bash -c "${command//.venv/$scratch/$2}"
}

# steps NAME...: runs these functions in order and says how long each took.
steps() {
  local step
  for step in "$@"; do
    echo "=== $step"
    SECONDS=0
    "$step"
    echo "=== $step passed in $SECONDS s"
  done
}
