"""verity.py against the built library. Run by cargo's tests: the environment says where the library and the keys are."""

import hashlib
import io
import mmap
import os
import subprocess
import threading
from pathlib import Path

import pytest

import verity

KEYS = Path(os.environ["VERITY_TEST_KEYS"])
SIZE = 6 << 20
DATA = b"".join(hashlib.sha512(index.to_bytes(4, "little")).digest() for index in range(SIZE // 64))


def key(name="p256"):
    return verity.Key((KEYS / f"TEST_KEY_DO_NOT_USE.{name}.key.pem").read_bytes())


def certificate(name="p256"):
    return verity.Certificate((KEYS / f"TEST_KEY_DO_NOT_USE.{name}.cert.pem").read_bytes())


@pytest.fixture
def image(tmp_path):
    """Data, tree and parity in one file, its parameters, and the root hash."""
    path = tmp_path / "image"
    path.write_bytes(DATA)
    params, places = verity.Params(fec_roots=2).seed("test").plan_image(SIZE, one_device=True)
    with path.open("r+b") as file:
        root = verity.build(params, file, file, file)
    assert path.stat().st_size == places.fec_end
    return path, params, root


def test_a_file_and_buffers_make_the_same_tree(image):
    path, params, root = image
    params, places = params.with_(fec_roots=0).plan_image(SIZE)
    hash = bytearray(places.hash_end)
    assert verity.build(params, DATA, hash, threads=1) == root
    assert hash == path.read_bytes()[SIZE:SIZE + len(hash)]
    with path.open("r+b") as file, mmap.mmap(file.fileno(), SIZE) as mapped:
        assert verity.build(params, memoryview(mapped), memoryview(hash)) == root
    with pytest.raises(verity.ArgumentError, match="callbacks"):
        verity.build(params, DATA, bytes(places.hash_end))


def test_pushed_data_makes_the_same_tree(image):
    path, params, root = image
    hash = io.BytesIO(bytes(256 << 10))
    with verity.Stream(params.with_(fec_roots=0, hash_offset=0, data_blocks=0), hash) as stream:
        for start in range(0, SIZE, 100_001):
            stream.write(memoryview(DATA)[start:start + 100_001])
        pushed, pushed_root = stream.finish()
    assert (pushed.data_blocks, pushed_root) == (params.data_blocks, root)
    assert hash.getvalue()[:14 * 4096] == path.read_bytes()[SIZE:SIZE + 14 * 4096]
    with verity.Stream(params.with_(fec_roots=0), bytearray(1 << 23)) as stream:
        stream.write(b"1234")
        with pytest.raises(verity.SizeError, match="4 bytes"):
            stream.finish()


def test_pushed_data_that_is_kept_gets_parity(image):
    path, params, root = image
    hash, fec = bytearray(1 << 20), bytearray(1 << 20)
    places = params.with_(hash_offset=0, fec_offset=0).plan()
    for device in [None, fec]:
        with verity.Stream(params.with_(hash_offset=0, fec_offset=0, data_blocks=0), hash) as stream:
            stream.write(DATA)
            with pytest.raises(verity.ArgumentError, match="finish_fec"):
                stream.finish()
            pushed, pushed_root = stream.finish_fec(DATA, device)
        assert (pushed_root, pushed.fec_offset) == (root, places.hash_end if device is None else 0)
        parity = hash[places.hash_end:] if device is None else fec
        assert hash[:places.hash_end] == path.read_bytes()[SIZE:SIZE + places.hash_end]
        assert parity[:places.fec_size] == path.read_bytes()[SIZE + places.hash_end:]
    with verity.Stream(params.with_(hash_offset=0, data_blocks=0), hash) as stream:
        stream.write(DATA)
        with pytest.raises(verity.CorruptError):
            stream.finish_fec(DATA[::-1])


def openssl_sign(content):
    """The raw signature of a key elsewhere."""
    command = ["openssl", "dgst", "-sha256", "-sign", str(KEYS / "TEST_KEY_DO_NOT_USE.rsa2048.key.pem")]
    return subprocess.run(command, input=content, check=True, capture_output=True).stdout


def test_what_lies_beside_an_image_comes_in_order(image):
    path, params, root = image
    about = verity.Image("demo", path.stat().st_size)
    manifest = verity.manifest(about, params, root)
    sidecars = verity.Sidecars(about, params, root)
    assert sidecars.parts() == [(verity.Part.ROOT_HASH, root.hex().encode()), (verity.Part.MANIFEST, manifest)]
    with pytest.raises(KeyError):
        sidecars[verity.Part.MANIFEST_SIGNATURE]
    signer = certificate("rsa2048")
    signed = dict(sidecars.sign(key("rsa2048"), signer, signature_partition=True).parts())
    assert list(signed) == list(verity.Part)
    assert signed[verity.Part.ROOT_HASH_SIGNATURE] == verity.sign(key("rsa2048"), signer, root.hex())
    assert signed[verity.Part.MANIFEST_SIGNATURE] == verity.sign(key("rsa2048"), signer, manifest)
    with pytest.raises(verity.BadKeyError):
        sidecars.attach(signer, bytes(256), bytes(256))
    # By a key elsewhere, with the same result.
    raw = [openssl_sign(signed[part]) for part in (verity.Part.ROOT_HASH, verity.Part.MANIFEST)]
    attached = verity.Sidecars(about, params, root).attach(signer, *raw, signature_partition=True)
    assert dict(attached.parts()) == signed
    with path.open("rb") as file:
        trusted = verity.Trusted.from_manifest(manifest, signed[verity.Part.MANIFEST_SIGNATURE], [signer], name="demo", now=1, hash=file)
        assert verity.verify(trusted, file, file).data_blocks == 1536


def test_a_reader_is_a_binary_file_of_proved_bytes(image):
    path, params, root = image
    trusted = verity.Trusted.pinned(params, root)
    assert (trusted.root, trusted.params.data_blocks, trusted.vouched_by) == (root, 1536, verity.BY_CALLER)
    with path.open("rb") as file:
        reader = verity.Reader(trusted, file, file)
    with reader:
        assert reader.size == SIZE and reader.seek(-10, os.SEEK_END) == SIZE - 10
        assert reader.read() == DATA[-10:] and reader.read(5) == b""
        reader.seek(0)
        assert hashlib.sha256(io.BufferedReader(reader).read()).digest() == hashlib.sha256(DATA).digest()
    with pytest.raises(ValueError):
        reader.read(1)


def test_corruption_is_found_kept_back_and_repaired(image):
    path, params, root = image
    trusted = verity.Trusted.pinned(params, root)
    with path.open("r+b") as file:
        assert verity.verify(trusted, file, file).data_blocks == 1536
        verity.check_parity(trusted, file, file, file)
        file.seek(70 * 4096)
        file.write(bytes(2 * 4096))
        with pytest.raises(verity.CorruptError) as failure:
            verity.verify(trusted, file, file, all=True)
        assert (failure.value.block, failure.value.level, failure.value.class_name) == (70, verity.DATA, "corrupt")
        assert failure.value.found == (verity.Found(verity.CORRUPT, verity.DATA, 70, 2),)
        assert failure.value.summary.corrupt == 2
        with verity.Reader(trusted, file, file) as reader:
            buffer = bytearray(b"x" * 8192)
            assert reader.readinto_at(buffer, 69 * 4096) == 4096
            assert buffer == DATA[69 * 4096:70 * 4096] + b"x" * 4096
            with pytest.raises(verity.CorruptError, match="data block 70"):
                reader.readinto_at(buffer, 70 * 4096)
        with verity.Reader(trusted, file, file, file) as reader:
            assert reader.readinto_at(buffer, 70 * 4096) == 8192 and buffer == DATA[70 * 4096:72 * 4096]
            assert reader.counters.repairs == 2
        assert verity.repair(trusted, file, file, file).repaired == 2
        assert verity.repair(trusted, file, file, file, file, file).found[0].what == verity.REPAIRED
        verity.verify(trusted, file, file)
    assert path.read_bytes()[:SIZE] == DATA


def test_signatures_and_manifests(image):
    path, params, root = image
    manifest = verity.manifest(verity.Image("demo", path.stat().st_size, 3, "a label", 2_000_000_000), params, root)
    signature = verity.sign(key(), certificate(), manifest, embed_certificate=True)
    pinned = [certificate("other"), certificate()]
    with path.open("rb") as file:
        trusted = verity.Trusted.from_manifest(manifest, signature, pinned, name="demo", now=1, hash=file)
        with pytest.raises(verity.PolicyError):
            verity.Trusted.from_manifest(manifest, signature, pinned, name="demo", now=2_000_000_001, hash=file)
        with pytest.raises(verity.PolicyError):
            verity.Trusted.from_manifest(manifest, signature, pinned, name="another", now=1, hash=file)
        with pytest.raises(verity.UntrustedError):
            verity.Trusted.from_manifest(manifest, signature, pinned[:1], name="demo", now=1, hash=file)
        assert verity.verify(trusted, file, file).hash_blocks == 13
    assert (trusted.vouched_by, trusted.image.version, trusted.image.label) == (verity.BY_MANIFEST, 3, "a label")
    verity.check_signature(verity.sign(key("rsa2048"), certificate("rsa2048"), root.hex()), root.hex(), [certificate("rsa2048")])
    with pytest.raises(verity.SignatureError):
        verity.check_signature(signature, manifest + b" ", pinned)
    with pytest.raises(verity.BadKeyError):
        verity.sign(key("p384"), certificate(), root.hex())
    assert verity.sign_digest(certificate(), b"abc") == ("sha256", hashlib.sha256(b"abc").digest())
    with pytest.raises(verity.BadKeyError):
        verity.sign_attach(certificate(), b"abc", bytes(64))


def test_a_superblock_vouches_for_nothing(image):
    path, params, root = image
    with path.open("rb") as file:
        read = verity.Params.read(file, SIZE)
    assert read.from_superblock and read.uuid == params.uuid and read.salt == params.salt
    assert read.superblock_bytes() == path.read_bytes()[SIZE:SIZE + 512]
    with pytest.raises(verity.UntrustedError):
        verity.Trusted.pinned(read, root)
    assert verity.Trusted.unauthenticated(read, root.hex()).vouched_by == verity.BY_NOBODY


def test_the_table_is_the_kernels(image):
    _, params, root = image
    line = verity.table(verity.Trusted.pinned(params, root), "/dev/a", "/dev/a", "/dev/a", "ignore_zero_blocks")
    assert line.startswith(f"0 {SIZE // 512} verity 1 /dev/a /dev/a 4096 4096 1536 1537 sha256 {root.hex()} ")
    assert "ignore_zero_blocks use_fec_from_device /dev/a" in line


class Storage:
    """A device of the caller's own."""

    def __init__(self, size, failure=None):
        self.bytes, self.size, self.failure = bytearray(size), size, failure

    def read_at(self, buffer, offset):
        if self.failure is not None:
            raise self.failure
        part = self.bytes[offset:offset + len(buffer)]
        buffer[:len(part)] = part
        return len(part)

    def write_at(self, buffer, offset):
        self.bytes[offset:offset + len(buffer)] = buffer
        return len(buffer)


def test_devices_may_be_objects_and_their_exceptions_are_causes():
    data, hash = Storage(SIZE), Storage(1 << 20)
    data.bytes[:] = DATA
    params, _ = verity.Params().plan_image(SIZE)
    root = verity.build(params, data, hash)
    assert verity.verify(verity.Trusted.pinned(params, root), data, hash).data_blocks == 1536
    data.failure = OSError(121, "remote")
    with pytest.raises(verity.StorageError) as failure:
        verity.build(params, data, hash)
    assert (failure.value.errno, failure.value.block) == (121, 0)
    assert failure.value.__cause__ is data.failure
    data.failure = ZeroDivisionError()
    with pytest.raises(verity.StorageError) as failure:
        verity.build(params, data, hash, threads=2)
    assert failure.value.__cause__ is data.failure


def test_progress_and_cancelling():
    params, places = verity.Params().plan_image(SIZE)
    hash, seen = bytearray(places.hash_end), []
    verity.build(params, DATA, hash, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, SIZE) and seen[-1] == (SIZE, SIZE)
    with pytest.raises(verity.CancelledError):
        verity.build(params, DATA, hash, progress=lambda done, total: False)
    with pytest.raises(KeyboardInterrupt):
        def interrupted(done, total):
            raise KeyboardInterrupt
        verity.build(params, DATA, hash, progress=interrupted)
    cancel = verity.Cancel()
    cancel.set()
    with pytest.raises(verity.CancelledError):
        verity.build(params, DATA, hash, cancel=cancel)


def test_arguments_that_cannot_be():
    assert verity.digest_size("sha512") == 64 and verity.version().count(".") == 2
    with pytest.raises(verity.UnsupportedError, match="known ones"):
        verity.digest_size("md5")
    with pytest.raises(verity.ArgumentError, match="904 bytes"):
        verity.Params().plan_image(5000)
    with pytest.raises(ValueError):
        verity.Params(salt=bytes(257)).plan()
    with pytest.raises(verity.NoRoomError):
        verity.Params().plan_partition(1)
    with pytest.raises(verity.BadKeyError):
        verity.Certificate(b"nonsense")
    params, places = verity.Params(fec_roots=2).plan_partition(64 << 20)
    assert params.data_blocks == 16126 and places.fec_end == 64 << 20 and params.plan() == places


def test_many_threads_read_at_once(image):
    path, params, root = image
    trusted = verity.Trusted.pinned(params, root)
    failures = []
    with path.open("rb") as file, verity.Reader(trusted, file, file) as reader:
        def read(start):
            buffer = bytearray(30_000)
            for offset in range(start, SIZE - 30_000, 300_000):
                if reader.readinto_at(buffer, offset) != 30_000 or buffer != DATA[offset:offset + 30_000]:
                    failures.append(offset)
        threads = [threading.Thread(target=read, args=(start * 1000,)) for start in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def test_a_child_builds_after_its_parent_has():
    params, places = verity.Params().plan_image(SIZE)
    root = verity.build(params, DATA, bytearray(places.hash_end), threads=3)
    child = os.fork()
    if child == 0:
        import signal
        signal.alarm(120)
        same = all(verity.build(params, DATA, bytearray(places.hash_end), threads=threads) == root for threads in (0, 1, 2))
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
