"""Fill static/vendor/ from vendor.toml: fetch, check, copy, and write down what was written.

For maintainers: needs npm. An archive whose digest is not the one in vendor.toml stops it
before anything is written. Knows nothing of the app.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "static" / "vendor"
SVG = "http://www.w3.org/2000/svg"  # a namespace, never fetched


@dataclass(frozen=True, slots=True)
class Sprite:
    """Icons of one folder, to be gathered into one file of symbols."""

    target: str
    folder: str
    icons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Package:
    """One entry of vendor.toml. `files`: path in the package -> path under static/vendor."""

    name: str
    version: str
    integrity: str
    files: dict[str, str]
    sprite: Sprite | None

    @property
    def spec(self) -> str:
        return f"{self.name}@{self.version}"


def read_packages(path: Path) -> tuple[Package, ...]:
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(_package(entry) for entry in document["package"])


def _package(entry: dict[str, Any]) -> Package:
    raw = entry.get("sprite")
    sprite = Sprite(raw["target"], raw["folder"], tuple(raw["icons"])) if raw else None
    return Package(entry["name"], entry["version"], entry["integrity"], entry["files"], sprite)


def fetch(package: Package, folder: Path) -> Path:
    """Download one archive with npm, whatever registry npm is configured for."""
    into = folder / package.name
    into.mkdir()
    subprocess.run(
        ["npm", "pack", "--silent", "--pack-destination", str(into), package.spec],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
    )
    (archive,) = into.glob("*.tgz")
    return archive


def integrity(data: bytes) -> str:
    """The digest as package registries write it: `sha512-<base64>`."""
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode("ascii")


def members(archive: Path) -> dict[str, bytes]:
    """Every regular file in the archive, by its path below `package/`."""
    found: dict[str, bytes] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file is not None:
                found[member.name.partition("/")[2]] = file.read()
    return found


def build_sprite(sprite: Sprite, license_line: str, files: dict[str, bytes]) -> bytes:
    """One SVG of symbols, ids being the icons' names, in alphabetical order."""
    ET.register_namespace("", SVG)
    root = ET.Element(f"{{{SVG}}}svg")
    root.append(ET.Comment(f" {license_line} "))
    for name in sorted(sprite.icons):
        icon = ET.fromstring(files[f"{sprite.folder}/{name}.svg"])
        kept = {k: v for k, v in icon.attrib.items() if k not in {"class", "width", "height"}}
        symbol = ET.SubElement(root, f"{{{SVG}}}symbol", {"id": name, **kept})
        symbol.extend(icon)
    ET.indent(root, space="")
    return ET.tostring(root, encoding="unicode").encode("utf-8") + b"\n"


def collect(package: Package, archive: Path) -> dict[str, bytes]:
    """What the package puts under static/vendor. Exits when the archive is not the pinned one."""
    actual = integrity(archive.read_bytes())
    if actual != package.integrity:
        sys.exit(f"{package.spec}: archive is {actual}, vendor.toml says {package.integrity}")
    files = members(archive)
    wanted = {target: files[source] for source, target in package.files.items()}
    if package.sprite is not None:
        line = f"{package.name} {package.version}, see LICENSE beside this file"
        wanted[package.sprite.target] = build_sprite(package.sprite, line, files)
    return wanted


def write(contents: dict[str, tuple[str, bytes]], target: Path) -> None:
    """Replace `target` by these files (path -> package spec, bytes) and their manifest."""
    if target.exists():
        shutil.rmtree(target)
    manifest: dict[str, dict[str, str]] = {}
    for name, (spec, data) in sorted(contents.items()):
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        manifest[name] = {"package": spec, "sha256": hashlib.sha256(data).hexdigest()}
    text = json.dumps({"files": manifest}, indent=2) + "\n"
    (target / "manifest.json").write_text(text, encoding="utf-8")


def main() -> None:
    contents: dict[str, tuple[str, bytes]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for package in read_packages(ROOT / "vendor.toml"):
            archive = fetch(package, Path(folder))
            for name, data in collect(package, archive).items():
                contents[name] = (package.spec, data)
    write(contents, TARGET)
    sys.stdout.write(f"{len(contents)} files in {TARGET.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
