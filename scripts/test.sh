#!/usr/bin/env bash
# Runs every check and every test. Installs what they need beside the Rust toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."
log=target/test.log
mkdir -p target

step() { printf '\n== %s\n' "$*"; }

# What the tests drive beside what cargo builds: Python, with headers and a compiler for the packages
# that pip builds; openssl; MIT's key distribution centre, and a clock for it that is wrong.
packages=()
need() { packages+=("$@"); }
python3 -c 'import venv, ensurepip' 2>/dev/null || need python3 python3-venv
python3 -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null || need python3-dev
command -v gcc >/dev/null || need gcc
# The fuzzer's library is C++.
command -v g++ >/dev/null || need g++
command -v krb5-config >/dev/null || need libkrb5-dev
# Which libgssapi reads that library's headers with.
compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null || need libclang-dev
command -v openssl >/dev/null || need openssl
PATH=$PATH:/usr/sbin command -v krb5kdc >/dev/null || need krb5-kdc
PATH=$PATH:/usr/sbin command -v kadmin.local >/dev/null || need krb5-admin-server
command -v kinit >/dev/null || need krb5-user
compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null || need libfaketime
if [ ${#packages[@]} != 0 ]; then
  step "installing Debian packages: ${packages[*]}"
  as_root=$([ "$(id -u)" = 0 ] || echo sudo)
  $as_root apt-get update -q
  # Without questions: the realm of the tests is in files of their own.
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}"
fi

# TLS on Unix is the system's OpenSSL.
if ! pkg-config --exists openssl 2>/dev/null; then
  step "installing OpenSSL's headers (Debian packages libssl-dev, pkg-config)"
  as_root=$([ "$(id -u)" = 0 ] || echo sudo)
  $as_root apt-get update -q
  $as_root apt-get install -y -q libssl-dev pkg-config
fi

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings

step "fuzz targets"
CARGO_TARGET_DIR=target cargo check --manifest-path fuzz/Cargo.toml --locked

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

step "tests"
cargo test --workspace --locked 2>&1 | tee "$log"

step "tickets of kinit: lints and their test"
cargo clippy -p owaim-tests --all-targets --features gssapi --locked -- -D warnings
cargo test -p owaim-tests --features gssapi --test foreign_kerberos --locked 2>&1 | tee -a "$log"

step "the main job, as the README says"
run_dir=$(mktemp -d)
trap 'rm -rf "$run_dir"' EXIT
cargo run --release --locked -- apply examples/litware.toml --lab --yes --run-dir "$run_dir"

step "Windows: lints, and the tests under Wine"
# 75: a package cannot be had; the line that says which is in the list below.
windows=0
{ scripts/windows.sh clippy && scripts/windows.sh test; } 2>&1 | tee -a "$log" || windows=$?
if [ "$windows" != 0 ] && [ "$windows" != 75 ]; then exit "$windows"; fi

step "skipped"
if ! grep -h '^SKIPPED' "$log" | sort -u; then echo "nothing"; fi
