#!/bin/sh
# Makes or renews the virtual environment `.venv` from one hashed requirement file: environment.sh run|local|dev
# A stamp says what was installed; as long as Python, project folder and file stay the same, there is nothing to do.
set -eu
cd "$(dirname "$0")/../.."
wanted=$1
lock=requirements/$wanted.txt
venv=.venv

say() { printf '%s\n' "$*" >&2; }

suits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
# Our own packages are found where they lie, and `dandang` is a command; written anew each time, since a package may be new.
link() {
    for site in "$venv"/lib/python3*/site-packages; do
        for folder in libs/*/ services/*/; do
            [ -d "$folder" ] && printf '%s\n' "$(pwd)/${folder%/}"
        done >"$site/dandang.pth"
    done
    printf '#!/bin/sh\nexec "$(dirname "$0")/python" -m dandang "$@"\n' >"$venv/bin/dandang"
    chmod 755 "$venv/bin/dandang"
}

python=
for each in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if suits "$each"; then python=$(command -v "$each"); break; fi
done
if [ -z "$python" ]; then
    say "需要 Python 3.11 以上版本 / Python 3.11 or later is needed; name it with: make PYTHON=/path/to/python3 …"
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    say "缺少 venv，请先运行 / venv is missing, first run:  sudo apt-get install python3-venv"
    exit 1
fi

# the larger file contains the smaller ones, version by version
stamp() { { "$python" --version; pwd; cat "requirements/$1.txt"; } | sha256sum | cut -d' ' -f1; }
case $wanted in run) sets="run local dev" ;; local) sets="local dev" ;; *) sets=$wanted ;; esac
for each in $sets; do
    if [ -e "$venv/installed-$each" ] && [ "$(cat "$venv/installed-$each")" = "$(stamp "$each")" ]; then link; exit 0; fi
done

began=$(date +%s)
base=$({ "$python" --version; pwd; } | sha256sum | cut -d' ' -f1)
if [ ! -e "$venv/base" ] || [ "$(cat "$venv/base")" != "$base" ]; then
    say "创建虚拟环境 making the virtual environment $venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    printf '%s\n' "$base" >"$venv/base"
fi
say "安装依赖 installing $lock"
# The lock names everything that is needed, so nothing is resolved: older pips ask for pins of extras that the lock has without the extra.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement "$lock"
"$venv/bin/python" -m pip check --disable-pip-version-check >/dev/null

link
stamp "$wanted" >"$venv/installed-$wanted"
say "依赖就绪 installed in $(($(date +%s) - began)) s"
