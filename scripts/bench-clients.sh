#!/usr/bin/env bash
# Compares this client with pypsrp: the same pipelines at the same simulated site, over one NTLM session each.
# bench-clients.sh [PIPELINES [ROUNDS]]; 1000 and 3 if left out. Prints CPU and wall time of each client and the ratios.
set -euo pipefail
cd "$(dirname "$0")/.."

sh tests/python/fetch.sh
cargo build --release --locked --package owaim --bin owaim
cargo build --release --locked --package owaim-tests --example pipelines
python=target/interop/venv/bin/python
exec "$python" tests/python/bench_clients.py target/release/owaim examples/litware.toml "${1:-1000}" "${2:-3}" \
    "owaim=target/release/examples/pipelines" "pypsrp=$python tests/python/pipelines.py"
