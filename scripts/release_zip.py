#!/usr/bin/env python3
"""Packs the release for Windows: release_zip.py EXE COMPLETIONS RUST OUT

EXE is owaim.exe, COMPLETIONS a folder of completion scripts, RUST the sources of the Rust that built
it, OUT the folder that the zip and its
SHA-256 go to. Beside the program goes what its licences ask for: the texts of every package that is
linked into it, found by `cargo metadata`, and those of the compilers' own libraries.
"""

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import zipfile

TARGET = "x86_64-pc-windows-gnu"
ROOT = pathlib.Path(__file__).resolve().parent.parent
# As `LICENSE-MIT`, `COPYING`, `LICENSE.md`, `UNLICENSE`, `NOTICE`.
TEXT = re.compile(r"^(un)?licen[cs]e|^copying|^copyright|^notice", re.IGNORECASE)
# What the linker adds. Debian keeps the terms of every package here.
COMPILER = [
    ("the C runtime of mingw-w64", "/usr/share/doc/mingw-w64-common/copyright"),
    ("the runtime of GCC", "/usr/share/doc/gcc-mingw-w64-x86-64-posix-runtime/copyright"),
]
# The text, without whose copyright it is.
MIT = (ROOT / "LICENSE-MIT").read_text(encoding="utf-8").partition("Permission is")
MIT = "".join(MIT[1:]).strip()


def linked_packages(metadata):
    """The packages that owaim.exe is made of, without those that only build or test it."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    start = next(i for i in metadata["workspace_members"] if packages[i]["name"] == "owaim")
    seen, waiting = set(), [start]
    while waiting:
        package = waiting.pop()
        if package in seen:
            continue
        seen.add(package)
        for dependency in nodes[package]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    return sorted(
        (packages[i] for i in seen if packages[i]["source"] is not None),
        key=lambda package: (package["name"], package["version"]),
    )


def licence_texts(package):
    folder = pathlib.Path(package["manifest_path"]).parent
    return [path for path in sorted(folder.iterdir()) if path.is_file() and TEXT.match(path.name)]


def third_party(packages, rust):
    """One text with the terms of everything that is not the project's own."""
    parts = ["What owaim.exe is made of besides owaim itself, and on which terms.\n"]
    known = {}
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if not package["license"]:
            sys.exit(f"release_zip.py: {name} does not say under which licence it is")
        parts.append(f"\n==== {name}: {package['license']}\n")
        if package["authors"]:
            parts.append(f"by {', '.join(package['authors'])}\n")
        if package["repository"]:
            parts.append(f"{package['repository']}\n")
        texts = licence_texts(package)
        if not texts and "MIT" not in package["license"]:
            sys.exit(f"release_zip.py: {name} comes without the text of its licence")
        if not texts:
            parts.append(f"The package comes without a text. The one that it names:\n\n{MIT}\n")
        for path in texts:
            text = path.read_text(encoding="utf-8", errors="replace").strip()
            first = known.setdefault(text, f"{name}, {path.name}")
            if first == f"{name}, {path.name}":
                parts.append(f"\n---- {path.name}\n\n{text}\n")
            else:
                parts.append(f"\n---- {path.name}: the same as of {first}\n")
    for name, path in [("the standard library of Rust", rust / "COPYRIGHT"), *COMPILER]:
        path = pathlib.Path(path)
        if not path.is_file():
            sys.exit(f"release_zip.py: the terms of {name} are not at {path}")
        text = path.read_text(encoding="utf-8", errors="replace").strip()
        parts.append(f"\n==== {name}\n\n{text}\n")
    return "".join(parts)


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    exe, completions, rust, out = map(pathlib.Path, sys.argv[1:])
    metadata = json.loads(
        subprocess.run(
            ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
    )
    version = next(p["version"] for p in metadata["packages"] if p["name"] == "owaim")
    packages = linked_packages(metadata)
    name = f"owaim-{version}-x86_64-windows"
    files = {
        "owaim.exe": exe.read_bytes(),
        "licences/third-party.txt": third_party(packages, rust).encode(),
    }
    for path in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"]:
        files[path] = (ROOT / path).read_bytes()
    for folder, pattern in [("docs", "*.md"), ("examples", "*.toml"), ("examples/lab", "*.toml")]:
        for path in sorted((ROOT / folder).glob(pattern)):
            files[f"{folder}/{path.name}"] = path.read_bytes()
    for path in sorted(completions.iterdir()):
        files[f"completions/{path.name}"] = path.read_bytes()

    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{name}.zip"
    # The same files give the same zip: no times of this machine in it.
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(f"{name}/{path}", (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[path], zipfile.ZIP_DEFLATED)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    (out / f"{name}.zip.sha256").write_text(f"{digest}  {name}.zip\n")
    print(f"{os.path.relpath(target)}: {target.stat().st_size} bytes, {len(files)} files, "
          f"licences of {len(packages)} packages")
    print(f"sha256 {digest}")


main()
