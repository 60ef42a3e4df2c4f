#!/usr/bin/env bash
# Builds owaim for Windows on Debian, and runs its tests as Windows programs under Wine.
#
#   scripts/windows.sh build     owaim.exe
#   scripts/windows.sh test      owaim.exe, its imports and size, and all tests under Wine; or those
#                                that these arguments of cargo test choose
#   scripts/windows.sh clippy    the lints, for Windows
#   scripts/windows.sh zip       the release: target/dist/owaim-VERSION-x86_64-windows.zip
#   scripts/windows.sh run ...   owaim.exe under Wine, with these arguments
#
# Everything it makes is below target/. It ends in 75 if a package cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."

target=x86_64-pc-windows-gnu
root=$PWD/target/windows
sysroot=$root/sysroot
tests=$PWD/target/$target/debug
exe=$PWD/target/$target/dist/owaim.exe
unavailable=75

say() { printf '== %s\n' "$*" >&2; }

fail() {
  printf '%s: %s\n' "$0" "$*" >&2
  exit 1
}

# A package cannot be had. What follows "SKIPPED" is what a list of skipped tests shows.
missing() {
  printf 'SKIPPED: everything that runs on Windows: %s\n' "$*"
  exit "$unavailable"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# --- packages -----------------------------------------------------------------------------------

# The C compiler is the linker too; Wine runs what it linked.
packages() {
  local wanted=("$@") absent=()
  for package in "${wanted[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
      absent+=("$package")
  done
  [ "${#absent[@]}" = 0 ] && return
  say "installing ${absent[*]}"
  as_root apt-get update -q >&2 || true
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "${absent[@]}" >&2 ||
    missing "the Debian packages ${absent[*]} cannot be installed"
}

# Debian's mirror, as this machine's apt knows it.
mirror() {
  local known
  known() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | sort -u | head -n 1; }
  if [ -z "$(known)" ]; then
    as_root apt-get update -q >&2 || true
  fi
  known
}

# Unpacks the sources of exactly the installed Rust into $root/rust-src. They are in a suite that
# is not this machine's: apt gets a configuration and lists of its own, and the machine's stay as
# they are.
rust_sources() {
  local release=$1 apt=$root/apt from version deb
  from=$(mirror)
  [ -n "$from" ] || missing "apt knows no mirror of Debian"
  rm -rf "$apt" && mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s trixie-backports main\n' \
    "$from" >"$apt/sources.list"
  cat >"$apt/apt.conf" <<CONF
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
Acquire::Languages "none";
APT::Sandbox::User "root";
CONF
  apt-get -c "$apt/apt.conf" -q update >&2 ||
    missing "the backports of Debian 13 are not served"
  version=$(apt-cache -c "$apt/apt.conf" madison rust-src |
    awk -F ' *[|] *' -v release="$release+" 'index($2, release) == 1 { print $2; exit }')
  [ -n "$version" ] ||
    missing "the backports of Debian 13 have no rust-src $release, the sources of this rustc"
  say "fetching rust-src $version"
  (cd "$apt" && apt-get -c "$apt/apt.conf" -q download "rust-src=$version" >&2) ||
    missing "rust-src $version is listed but not served"
  deb=$(echo "$apt"/rust-src_*.deb)
  # What this was written with. Others are checked by apt alone, against Debian's signature.
  if [ "$version" = "1.95.0+dfsg1-2~bpo13+1" ]; then
    echo "7b76db5b880a77f9e52975d2baa6209d2f76d2c9c2789515c3088cb960e2c83b  $deb" |
      sha256sum --check --quiet || fail "$deb is not the package that this was written with"
  fi
  rm -rf "$root/rust-src" && dpkg-deb -x "$deb" "$root/rust-src" && rm "$deb"
}

# --- the standard library -----------------------------------------------------------------------

# Makes a copy of the toolchain that has a standard library for Windows as well. From there on,
# nothing but a stable cargo is needed.
toolchain() {
  local from release flags stamp seed=$root/seed
  from=$(rustc --print sysroot)
  release=$(rustc --version | cut -d ' ' -f 2)
  # Its messages name its sources as those of a released Rust do, not by a path of this machine,
  # and it can be optimized together with what uses it.
  flags="--remap-path-prefix=$sysroot/lib/rustlib/src/rust=/rustc/$release -Cembed-bitcode=yes"
  stamp="$(rustc --version --verbose) $from $flags"
  if [ ! -e "$sysroot/stamp" ] || [ "$(cat "$sysroot/stamp")" != "$stamp" ]; then
    rust_sources "$release"
    say "making the standard library of Rust $release for $target"
    # What was built upon another one fits no longer, and cargo would not notice.
    rm -rf "$sysroot" "$seed" "target/$target"
    mkdir -p "$sysroot" "$seed/src"
    # Hard links where the file system has them. The manuals are not needed.
    for part in bin lib libexec etc; do
      [ -e "$from/$part" ] || continue
      cp -al "$from/$part" "$sysroot/" 2>/dev/null ||
        { rm -rf "${sysroot:?}/$part" && cp -a "$from/$part" "$sysroot/"; }
    done
    mkdir -p "$sysroot/lib/rustlib/src"
    ln -sfn "$root/rust-src/usr/src/rustc-$release" "$sysroot/lib/rustlib/src/rust"
    [ -e "$sysroot/lib/rustlib/src/rust/library/Cargo.lock" ] ||
      fail "rust-src has no library/ where it is looked for, in usr/src/rustc-$release"
    printf '[package]\nname = "seed"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n' \
      >"$seed/Cargo.toml"
    : >"$seed/src/lib.rs"
    (
      cd "$seed"
      # Building the standard library is not stable, and it is the only thing here that is not.
      PATH=$sysroot/bin:$PATH RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$seed/target \
        RUSTFLAGS="$flags" \
        cargo build --quiet --release --target "$target" \
        -Zbuild-std=std,test,panic_unwind,panic_abort,proc_macro >&2
    ) || fail "the standard library does not build for $target"
    mkdir -p "$sysroot/lib/rustlib/$target/lib"
    cp "$seed/target/$target/release/deps/"*.rlib "$sysroot/lib/rustlib/$target/lib/"
    rm "$sysroot/lib/rustlib/$target/lib/"libseed-*.rlib
    rm -rf "$seed"
    printf '%s' "$stamp" >"$sysroot/stamp"
  fi
  export PATH=$sysroot/bin:$PATH
  export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc
  export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER=wine
  # A proxy of rustup in front of this toolchain would choose another.
  unset RUSTUP_TOOLCHAIN RUSTC
}

# --- Wine ---------------------------------------------------------------------------------------

# A Windows of this project's own, and the one library that Debian 12's Wine lacks: the standard
# library takes random numbers from it. On Windows it is a part of the system.
wine_prefix() {
  packages wine wine64
  export WINEPREFIX=$root/prefix WINEARCH=win64 WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml=
  mkdir -p "$tests/deps" "$(dirname "$exe")"
  if [ ! -e "$root/bcryptprimitives.dll" ]; then
    cat >"$root/bcryptprimitives.c" <<'C'
#include <windows.h>
#include <ntsecapi.h>
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return SystemFunction036(data, (ULONG)size); }
C
    x86_64-w64-mingw32-gcc -shared -O2 -o "$root/bcryptprimitives.dll" \
      "$root/bcryptprimitives.c" -ladvapi32
  fi
  # Beside every program that is run: the tests in deps/, the owaim.exe that they start above it.
  for folder in "$tests/deps" "$tests" "$(dirname "$exe")"; do
    cp "$root/bcryptprimitives.dll" "$folder/"
  done
  # Wine shows tests no cargo that they could ask, and they correct no snapshots here.
  export INSTA_WORKSPACE_ROOT=$PWD INSTA_UPDATE=no
  if [ ! -e "$WINEPREFIX/system.reg" ]; then
    say "making a Windows for the tests"
    wineboot --init >/dev/null 2>&1 || fail "Wine does not start: try WINEPREFIX=$WINEPREFIX wineboot --init"
  fi
}

# --- what is asked for --------------------------------------------------------------------------

build() {
  cargo build --profile dist --locked --target "$target" --package owaim
}

# Only libraries of Windows itself, and small enough to be carried about.
check_exe() {
  local imports foreign size
  imports=$(x86_64-w64-mingw32-objdump -p "$1" | sed -n 's/^\tDLL Name: //p' | sort -fu)
  [ -n "$imports" ] || fail "$1 imports nothing: is it a program?"
  foreign=$(grep -viE '^(api-ms-win-[a-z0-9-]+|advapi32|bcrypt|bcryptprimitives|combase|crypt32|dnsapi|iphlpapi|kernel32|ktmw32|msvcrt|ncrypt|netapi32|ntdll|ole32|oleaut32|secur32|shell32|user32|userenv|winscard|ws2_32)\.dll$' <<<"$imports" || true)
  [ -z "$foreign" ] || fail "$1 needs more than Windows: $foreign"
  size=$(stat -c %s "$1")
  [ "$size" -lt 20000000 ] || fail "$1 has $size bytes, expected less than 20000000"
  say "$1: $size bytes, imports $(tr '\n' ' ' <<<"$imports")"
}

# The name that a shell looks for.
completion_file() {
  case $1 in
    bash) echo owaim.bash ;;
    elvish) echo owaim.elv ;;
    fish) echo owaim.fish ;;
    powershell) echo _owaim.ps1 ;;
    zsh) echo _owaim ;;
  esac
}

main() {
  local mode=${1:-}
  [ "$#" = 0 ] || shift
  case $mode in build | test | clippy | zip | run) ;; *)
    sed -n '2,/^set /p' "$0" | sed -n 's/^# \{0,1\}//p' >&2
    exit 2
    ;;
  esac
  mkdir -p "$root"
  packages gcc-mingw-w64-x86-64-posix
  toolchain
  case $mode in
    build)
      build
      check_exe "$exe"
      ;;
    clippy)
      cargo clippy --workspace --all-targets --locked --target "$target" -- -D warnings
      ;;
    test)
      wine_prefix
      if [ "$#" != 0 ]; then
        cargo test --locked --target "$target" "$@"
        return
      fi
      # Without the examples in documentation, which are only compiled, and that happens on Linux: the one program
      # that rustdoc makes of them does not run under Wine.
      cargo test --locked --target "$target" --workspace --lib --bins --tests
      build
      check_exe "$exe"
      say "the main job, by the program that is given away"
      run_dir=$(mktemp -d)
      trap 'rm -rf "$run_dir"' EXIT
      wine "$exe" apply examples/litware.toml --lab --yes --run-dir "$run_dir"
      ;;
    run)
      wine_prefix
      build >&2
      exec wine "$exe" "$@"
      ;;
    zip)
      packages python3
      wine_prefix
      build
      check_exe "$exe"
      rm -rf "$root/completions" && mkdir -p "$root/completions"
      # By the program that is packed: it starts, and the scripts are its own.
      for shell in bash elvish fish powershell zsh; do
        wine "$exe" completions "$shell" >"$root/completions/$(completion_file "$shell")"
      done
      scripts/release_zip.py "$exe" "$root/completions" \
        "$sysroot/lib/rustlib/src/rust" "$PWD/target/dist"
      ;;
  esac
}

main "$@"
