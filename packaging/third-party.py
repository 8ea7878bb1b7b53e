#!/usr/bin/env python3
"""Writes THIRD-PARTY.txt: the licences of everything that is linked into the command and the C library.

    packaging/third-party.py            writes it anew, after dependencies have changed
    packaging/third-party.py --check    fails if it is not up to date

What is linked is what `cargo tree` finds for the targets that are released, less macros, which only run in the compiler; licences and
sources are those of `cargo metadata`. Where a crate leaves the choice, it is taken under the first one of CHOICE that it offers. A crate whose
licence the script does not know is an error: it has to be looked at.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
PAGE = TOP / "THIRD-PARTY.txt"
ROOTS = ["dm-verity-cli", "dm-verity-capi"]
TARGETS = [f"{cpu}-unknown-linux-{libc}" for cpu in ("x86_64", "aarch64") for libc in ("gnu", "musl")]
# By which sentence a text is known, in the order of preference: the shortest texts first.
CHOICE = {
    "MIT": "Permission is hereby granted, free of charge",
    "ISC": "Permission to use, copy, modify, and",
    "BSD-3-Clause": "Redistribution and use in source and binary forms",
    "Apache-2.0": "TERMS AND CONDITIONS FOR USE, REPRODUCTION",
    "Zlib": "This software is provided 'as-is'",
}
NAMES = re.compile(r"^(licen[cs]e|copying|copyright|notice)", re.IGNORECASE)
HEAD = """\
The command verity and the library libverity are linked with the software of this list, each under the licence that stands with it.
Written by packaging/third-party.py.

Beside it there is Rust's standard library (MIT, of those that it offers; Copyright (c) The Rust Project Contributors), and in static
programs the C library musl (MIT; Copyright (c) 2005-2020 Rich Felker, et al.).
"""


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit("usage: packaging/third-party.py [--check]")
    page = render(linked())
    if sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text() != page:
            sys.exit("THIRD-PARTY.txt is not up to date: run packaging/third-party.py")
    else:
        PAGE.write_text(page)


def cargo(*arguments):
    run = subprocess.run(["cargo", *arguments, "--locked"], cwd=TOP, check=True, capture_output=True, text=True)
    return run.stdout


def linked():
    """The packages, as `cargo metadata` describes them."""
    options = [word for root in ROOTS for word in ("-p", root)] + [word for target in TARGETS for word in ("--target", target)]
    told = cargo("tree", *options, "-e", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}")
    wanted = {tuple(line.split()[:2]) for line in told.splitlines() if line}
    packages = json.loads(cargo("metadata", "--format-version", "1"))["packages"]
    found = [each for each in packages if each["source"] and (each["name"], "v" + each["version"]) in wanted]
    return sorted(found, key=lambda each: (each["name"], each["version"]))


def render(packages):
    owners = collections.defaultdict(list)
    for package in packages:
        for licence in chosen(package):
            body, copyrights = text_of(package, licence)
            owners[licence, body].append((f"{package['name']} {package['version']}", copyrights))
    parts = [HEAD]
    for (licence, body), crates in sorted(owners.items(), key=lambda item: (list(CHOICE).index(item[0][0]), item[1][0])):
        parts.append("=" * 80 + f"\n{licence}\n\n" + "\n".join(owner_lines(crates)) + f"\n\n{body}\n")
    return "\n".join(parts)


def owner_lines(crates):
    for name, copyrights in crates:
        yield name
        yield from (f"    {line}" for line in copyrights)


def chosen(package):
    """The licences under which a package is taken: one of each choice."""
    expression = (package["license"] or "").replace("/", " OR ")
    parts = [part.strip(" ()") for part in re.split(r"\bAND\b", expression)]
    licences = []
    for part in parts:
        offered = {each.strip(" ()") for each in re.split(r"\bOR\b", part)}
        known = [licence for licence in CHOICE if licence in offered]
        if not known:
            sys.exit(f"third-party.py: {package['name']} is under {expression!r}, which CHOICE does not know")
        licences.append(known[0])
    return licences


def text_of(package, licence):
    """The text of a licence in its package, and the lines that say whose it is."""
    folder = pathlib.Path(package["manifest_path"]).parent
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and NAMES.match(path.name)]
    files += sorted(path for path in folder.glob("*/LICENSE*") if path.is_file())
    texts = [path.read_text(errors="replace") for path in files]
    text = next((text for text in texts if CHOICE[licence] in squeezed(text)), None)
    if text is None:
        # Some packages name their licence and leave its text out.
        text = (TOP / {"MIT": "LICENSE-MIT", "Apache-2.0": "LICENSE-APACHE"}[licence]).read_text()
        text = re.sub(r"(?m)^Copyright .*\n", "", text) if licence == "MIT" else text
        authors = ", ".join(re.sub(r" *<.*?>", "", author) for author in package["authors"]) or "its authors"
        return body_of(text, licence)[0], [f"Copyright (c) {authors}"]
    return body_of(text, licence)


def squeezed(text):
    return " ".join(text.split())


def body_of(text, licence):
    """A text without the lines of copyright, which differ where all else is the same, and these lines."""
    text = re.sub(r"(?m)^// ?", "", text.replace("\r\n", "\n").replace("\f", ""))
    if licence == "Apache-2.0":
        notice = text.split("END OF TERMS AND CONDITIONS")[0]
        return "\n".join(line.strip() for line in notice.strip().splitlines() if line.strip()), []
    lines = text.splitlines()
    owned = [line.strip() for line in lines if is_copyright(line)]
    rest = "\n".join("" if is_copyright(line) else line for line in lines)
    rest = rest[rest.index(next(re.finditer(re.escape(CHOICE[licence]).replace(r"\ ", r"\s+"), rest)).group()):]
    paragraphs = [squeezed(paragraph) for paragraph in re.split(r"\n\s*\n", rest) if paragraph.strip()]
    return "\n\n".join(paragraphs), owned


def is_copyright(line):
    return bool(re.match(r"\W*(copyright|\(c\)|©)", line.strip(), re.IGNORECASE)) and "HOLDER" not in line and "notice" not in line


main()
