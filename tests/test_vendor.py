"""The vendored files are the ones that were fetched, and nothing in them calls out."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "static" / "vendor"
SYMBOL = "{http://www.w3.org/2000/svg}symbol"


def packages() -> list[dict[str, Any]]:
    found = tomllib.loads((ROOT / "vendor.toml").read_text(encoding="utf-8"))["package"]
    assert isinstance(found, list)
    return found


def manifest() -> dict[str, dict[str, str]]:
    found = json.loads((VENDOR / "manifest.json").read_text(encoding="utf-8"))["files"]
    assert isinstance(found, dict)
    return found


def test_every_file_has_the_digest_it_was_fetched_with() -> None:
    for name, entry in manifest().items():
        digest = hashlib.sha256((VENDOR / name).read_bytes()).hexdigest()
        assert digest == entry["sha256"], f"static/vendor/{name} was changed by hand"


def test_no_file_is_missing_from_the_manifest() -> None:
    there = {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()}
    assert there - {"manifest.json"} == set(manifest())


def test_manifest_is_what_vendor_toml_asks_for() -> None:
    asked: dict[str, str] = {}
    for package in packages():
        spec = f"{package['name']}@{package['version']}"
        asked |= dict.fromkeys(package["files"].values(), spec)
        if "sprite" in package:
            asked[package["sprite"]["target"]] = spec
    assert {name: entry["package"] for name, entry in manifest().items()} == asked


def test_every_package_is_pinned_with_a_digest_and_a_licence() -> None:
    for package in packages():
        assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
        algorithm, _, digest = package["integrity"].partition("-")
        assert algorithm == "sha512"
        assert len(base64.b64decode(digest, validate=True)) == 64
        licences = [name for name in package["files"].values() if name.endswith("/LICENSE")]
        assert licences, f"{package['name']}: no licence is copied"


def test_sprite_has_exactly_the_icons_asked_for() -> None:
    (sprite,) = [package["sprite"] for package in packages() if "sprite" in package]
    root = ET.fromstring((VENDOR / sprite["target"]).read_bytes())
    symbols = list(root.iter(SYMBOL))
    assert sorted(symbol.attrib["id"] for symbol in symbols) == sorted(sprite["icons"])
    assert all(len(symbol) for symbol in symbols), "an icon draws nothing"
    assert all("style" not in part.attrib for part in root.iter())


def test_no_vendored_style_or_script_loads_from_elsewhere() -> None:
    for path in VENDOR.rglob("*"):
        if path.suffix == ".css":
            text = path.read_text(encoding="utf-8")
            assert "@import" not in text, path.name
            outside = re.search(r"""url\(\s*+["']?+(?!data:|#)[^)]{0,80}""", text)
            assert outside is None, f"{path.name} loads {outside and outside[0]}"
        elif path.suffix == ".js":
            text = path.read_text(encoding="utf-8")
            assert re.search(r"""https?://|["'`]//""", text) is None, path.name
