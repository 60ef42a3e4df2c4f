#!/bin/sh
# Fetches from PyPI what the interoperability tests work with: fetch.sh [DIR]
#
# DIR (default: target/interop of the workspace) gets
#   venv/    a virtual environment with the packages of requirements.txt
#   sdist/   the unpacked source distributions of sdists.txt, with recorded traffic and vectors
# Does nothing if DIR was filled from the same lists before. The tests call it by themselves.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-$here/../../target/interop}
lists=$(cat "$here/fetch.sh" "$here/requirements.txt" "$here/sdists.txt" | cksum)

if [ "$(cat "$dir/complete" 2>/dev/null)" = "$lists" ]; then
    exit 0
fi

rm -rf "$dir/complete" "$dir/venv" "$dir/sdist"
mkdir -p "$dir"
python3 -m venv "$dir/venv"
pip() {
    "$dir/venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"
}
pip install --requirement "$here/requirements.txt"
pip download --require-hashes --no-deps --no-binary pypsrp,psrpcore,pyspnego \
    --requirement "$here/sdists.txt" --dest "$dir/sdist"
for archive in "$dir"/sdist/*.tar.gz; do
    tar -xzf "$archive" -C "$dir/sdist"
done
echo "$lists" >"$dir/complete"
