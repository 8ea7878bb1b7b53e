#!/usr/bin/env python3
"""From a directory to a signed image of one file: root_tree.py DIRECTORY IMAGE NAME KEY.pem CERTIFICATE.pem"""

import os
import subprocess
import sys
from pathlib import Path

import verity


def main(directory: str, image: str, name: str, key: str, certificate: str) -> None:
    subprocess.run(["mkfs.erofs", "--quiet", "-T0", f"-U{verity_uuid(name)}", image, directory], check=True)
    size = -os.path.getsize(image) % 4096 + os.path.getsize(image)
    os.truncate(image, size)
    # Superblock, tree and parity lie behind the data. The same directory makes the same image.
    params, places = verity.Params(fec_roots=2).seed(name).plan_image(size, one_device=True)
    with open(image, "r+b") as file:
        root = verity.build(params, file, file, file)
    signer = verity.Certificate(Path(certificate).read_bytes())
    secret = verity.Key(Path(key).read_bytes())
    sidecars = verity.Sidecars(verity.Image(name, places.fec_end), params, root).sign(secret, signer)
    # In this order: what makes a verifier take the image comes last.
    for part, content in sidecars.parts():
        publish(image + SUFFIXES[part], content)
    print(root.hex())


SUFFIXES = {verity.Part.ROOT_HASH: ".roothash", verity.Part.ROOT_HASH_SIGNATURE: ".roothash.p7s",
            verity.Part.MANIFEST: ".manifest.json", verity.Part.MANIFEST_SIGNATURE: ".manifest.json.p7s"}


def publish(path: str, content: bytes) -> None:
    """A file appears with all its bytes, or not at all."""
    with open(path + ".new", "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


def verity_uuid(name: str) -> str:
    digits = verity.Params().seed(name).uuid.hex()
    return "-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]])


if __name__ == "__main__":
    main(*sys.argv[1:])
