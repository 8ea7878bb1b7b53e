"""The hash tree of dm-verity with Python's hashlib, for what veritysetup cannot make.

Reads a JSON array of cases from standard input, and prints as many answers: null where this hashlib
lacks the algorithm, else the root hash, and the length and the SHA-256 digest of the tree.
"""
import hashlib
import json
import sys

BLAKE2 = {"blake2b-256": (hashlib.blake2b, 32), "blake2b-512": (hashlib.blake2b, 64),
          "blake2s-256": (hashlib.blake2s, 32)}


def digest(name, message):
    if name in BLAKE2:
        function, size = BLAKE2[name]
        return function(message, digest_size=size).digest()
    return hashlib.new(name.replace("sha3-", "sha3_"), message).digest()


def blocks(data, size):
    return [data[at:at + size] for at in range(0, len(data), size)]


def tree(case):
    name, size, salt = case["algorithm"], case["hash_block_size"], bytes.fromhex(case["salt"])

    def hashed(block):
        return digest(name, salt + block if case["hash_type"] == 1 else block + salt)

    width = len(digest(name, b""))
    per_block = 1
    while per_block * 2 * width <= size:
        per_block *= 2
    slot = size // per_block if case["hash_type"] == 1 else width

    with open(case["data"], "rb") as file:
        data = file.read(case["data_blocks"] * case["data_block_size"])
    level = [hashed(block) for block in blocks(data, case["data_block_size"])]
    file_order = b""
    while len(level) > 1:
        packed = b""
        for first in range(0, len(level), per_block):
            slots = b"".join(one.ljust(slot, b"\0") for one in level[first:first + per_block])
            packed += slots.ljust(size, b"\0")
        file_order = packed + file_order
        level = [hashed(block) for block in blocks(packed, size)]
    return {"root_hash": level[0].hex(), "tree_bytes": len(file_order),
            "tree_sha256": hashlib.sha256(file_order).hexdigest()}


def answer(case):
    try:
        digest(case["algorithm"], b"")
    except ValueError:
        return None
    return tree(case)


json.dump([answer(case) for case in json.load(sys.stdin)], sys.stdout)
