# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Make, sign, verify, read and repair dm-verity images: libverity.so by ctypes, in this one file.

    import verity

    params = verity.Params(fec_roots=2).seed("demo")
    with open("image", "r+b") as image:
        params, places = params.plan_image(os.fstat(image.fileno()).st_size, one_device=True)
        root = verity.build(params, image, image, image)

    trusted = verity.Trusted.pinned(params, root)
    with open("image", "rb") as image, verity.Reader(trusted, image, image) as reader:
        reader.seek(4096)
        print(reader.read(100))        # proved, or verity.CorruptError

What is read and written is a device: a file object or descriptor, a buffer (bytes, bytearray, memoryview, mmap), which is
used where it lies and not copied, or any object with `read_at(buffer, offset) -> int` and `size`, and `write_at(buffer,
offset) -> int` if it is written. Each failure is an Error, of a class for each kind. The library drops the interpreter's
lock: other threads run on, and calls back take it.
"""

from __future__ import annotations

import ctypes
import enum
import errno as _errno
import io
import os
from ctypes import (CFUNCTYPE, POINTER, byref, c_char, c_char_p, c_int, c_int32, c_size_t, c_ssize_t, c_uint8, c_uint32,
                    c_uint64, c_void_p)
from dataclasses import dataclass, field, replace
from typing import Any, Callable, NamedTuple, Optional, Sequence, Union

__all__ = [
    "Error", "ArgumentError", "StorageError", "CorruptError", "CancelledError", "FormatError", "SizeError", "SignatureError",
    "UntrustedError", "PolicyError", "BadKeyError", "NoRoomError", "UnrepairedError", "UnsupportedError", "Panic",
    "Params", "Places", "Found", "Summary", "Counters", "Image", "Cancel", "Certificate", "Key", "Trusted", "Reader", "Stream",
    "Sidecars", "Part",
    "build", "verify", "repair", "check_parity", "sign", "sign_digest", "sign_attach", "check_signature", "manifest", "table",
    "digest_size", "version",
]

ABI = 1
NO_SUPERBLOCK, FROM_SUPERBLOCK = 1, 2
BY_NOBODY, BY_CALLER, BY_MANIFEST = 1, 2, 3
DATA = -1
CORRUPT, UNREADABLE, UNCHECKED, REPAIRED = 1, 2, 3, 4


class Part(enum.IntEnum):
    """What lies beside an image, in the order in which it is to appear."""
    ROOT_HASH = 1
    ROOT_HASH_SIGNATURE = 2
    SIGNATURE_PARTITION = 3
    MANIFEST = 4
    MANIFEST_SIGNATURE = 5


Device = Any
Progress = Callable[[int, int], Optional[bool]]


# ---- errors ----


class Error(Exception):
    """A failed call: `code` and `class_name` as verity.h has them, `block` and `level` of the block to blame, if one is
    (level -1 is data), and `errno` of the storage, or 0. After a verification `found` and `summary` tell more."""

    code = 0
    class_name = "other"
    block: Optional[int] = None
    level: Optional[int] = None
    errno = 0
    found: Sequence["Found"] = ()
    summary: Optional["Summary"] = None


class ArgumentError(Error, ValueError):
    """What was asked for cannot be."""


class StorageError(Error):
    """The storage failed; no word about corruption."""


class CorruptError(Error):
    """A block, or the parity, is not what it must be."""


class CancelledError(Error):
    """The caller has stopped it."""


class FormatError(Error):
    """The bytes are not what they claim to be."""


class SizeError(Error):
    """Data or a device is shorter or longer than it must be."""


class SignatureError(Error):
    """The signature does not hold for this content."""


class UntrustedError(Error):
    """Nobody who is trusted has signed, or nothing vouches for it."""


class PolicyError(Error):
    """Well signed, and forbidden: expired, or another image."""


class BadKeyError(Error):
    """A key or certificate is unfit, or they do not go together."""


class NoRoomError(Error):
    """It does not fit."""


class UnrepairedError(Error):
    """Blocks are left that parity cannot recover."""


class UnsupportedError(Error):
    """Well formed, and not supported here."""


class Panic(Error):
    """A fault of the library."""


_CLASSES = {-1: ArgumentError, -2: StorageError, -3: CorruptError, -4: CancelledError, -5: FormatError, -6: SizeError,
            -7: SignatureError, -8: UntrustedError, -9: PolicyError, -10: BadKeyError, -11: NoRoomError,
            -12: UnrepairedError, -13: UnsupportedError, -99: Panic}


# ---- the library ----


class _Params(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("hash_type", c_uint32), ("algorithm", c_char * 32), ("data_block_size", c_uint32),
                ("hash_block_size", c_uint32), ("data_blocks", c_uint64), ("uuid", c_uint8 * 16), ("salt", c_uint8 * 256),
                ("salt_size", c_uint32), ("flags", c_uint32), ("hash_offset", c_uint64), ("fec_roots", c_uint32),
                ("reserved0", c_uint32), ("fec_offset", c_uint64), ("fec_blocks", c_uint64), ("reserved", c_uint64 * 8)]


_PLACES = ["data_size", "superblock_offset", "hash_start", "tree_offset", "tree_size", "hash_end", "fec_offset", "fec_size",
           "fec_end", "fec_blocks", "levels"]


class _Places(ctypes.Structure):
    _fields_ = [(name, c_uint64) for name in _PLACES] + [("reserved", c_uint64 * 5)]


_READ = CFUNCTYPE(c_ssize_t, c_void_p, c_void_p, c_size_t, c_uint64)
_EXTENT = CFUNCTYPE(c_int, c_void_p, c_uint64, POINTER(c_uint64))
_FLUSH = CFUNCTYPE(c_int, c_void_p)
_PROGRESS = CFUNCTYPE(c_int, c_void_p, c_uint64, c_uint64)
_FOUND = CFUNCTYPE(c_int, c_void_p, c_int32, c_int32, c_uint64, c_uint64)


class _Device(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("fd", c_int), ("length", c_uint64), ("user", c_void_p), ("one_at_a_time", c_uint32),
                ("reserved0", c_uint32), ("read", _READ), ("write", _READ), ("next_extent", _EXTENT), ("flush", _FLUSH),
                ("reserved", c_void_p * 4)]


class _Run(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("threads", c_uint32), ("progress", _PROGRESS), ("user", c_void_p), ("cancel", c_void_p),
                ("reserved", c_void_p * 4)]


class _ErrorInfo(ctypes.Structure):
    _fields_ = [("code", c_int32), ("os_errno", c_int32), ("has_block", c_int32), ("level", c_int32), ("block", c_uint64),
                ("message", c_char_p), ("class_name", c_char_p), ("reserved", c_uint64 * 4)]


class _Summary(ctypes.Structure):
    _fields_ = [(name, c_uint64) for name in ["data_blocks", "hash_blocks", "corrupt", "unreadable", "unchecked",
                                              "repaired"]] + [("reserved", c_uint64 * 4)]


class _Counters(ctypes.Structure):
    _fields_ = [(name, c_uint64) for name in ["data_blocks_read", "hash_blocks_read", "cache_hits", "corruptions",
                                              "read_errors", "repairs"]] + [("reserved", c_uint64 * 4)]


class _Image(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("reserved0", c_uint32), ("name", c_char_p), ("label", c_char_p), ("version", c_uint64),
                ("size_bytes", c_uint64), ("not_after", c_uint64), ("reserved", c_uint64 * 4)]


class _Blob(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("size", c_size_t)]


class _Digest(ctypes.Structure):
    _fields_ = [("bytes", c_uint8 * 64), ("size", c_uint32)]


_lib = ctypes.CDLL("libverity.so.0")
ctypes.pythonapi.PyObject_GetBuffer.argtypes = [ctypes.py_object, c_void_p, c_int]
ctypes.pythonapi.PyBuffer_Release.argtypes = [c_void_p]
ctypes.pythonapi.PyBuffer_Release.restype = None
_H = c_void_p  # a handle
_OUT = POINTER(c_void_p)
_ERR = _OUT
_D, _P, _R = POINTER(_Device), POINTER(_Params), POINTER(_Run)
_B, _G = POINTER(_Blob), POINTER(_Digest)
_BYTES = [c_void_p, c_size_t]

# Name, result, arguments. Those that take an error last go through _call.
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "abi": (c_uint32, []),
    "version": (c_char_p, []),
    "algorithm": (c_int, [c_char_p, POINTER(c_uint32), _ERR]),
    "error_get": (None, [_H, POINTER(_ErrorInfo)]),
    "error_free": (None, [_H]),
    "blob_free": (None, [_B]),
    "cancel_new": (_H, []),
    "cancel_set": (None, [_H]),
    "cancel_free": (None, [_H]),
    "params_init": (c_int, [_P, c_size_t, _ERR]),
    "params_seed": (c_int, [_P, c_char_p, _ERR]),
    "plan": (c_int, [_P, POINTER(_Places), _ERR]),
    "plan_image": (c_int, [_P, c_uint64, c_int, POINTER(_Places), _ERR]),
    "plan_partition": (c_int, [_P, c_uint64, POINTER(_Places), _ERR]),
    "superblock_read": (c_int, [_D, c_uint64, _P, _ERR]),
    "superblock_bytes": (c_int, [_P, c_void_p, _ERR]),
    "build": (c_int, [_P, _D, _D, _D, _R, _G, _ERR]),
    "stream_new": (c_int, [_P, _D, _R, _OUT, _ERR]),
    "stream_write": (c_int, [_H, *_BYTES, _ERR]),
    "stream_finish": (c_int, [_H, _P, _G, _ERR]),
    "stream_finish_fec": (c_int, [_H, _D, _D, _P, _G, _ERR]),
    "stream_free": (None, [_H]),
    "trusted_pinned": (c_int, [_P, _G, _OUT, _ERR]),
    "trusted_unauthenticated": (c_int, [_P, _G, _OUT, _ERR]),
    "trusted_get": (c_int, [_H, _P, _G, POINTER(c_int), _ERR]),
    "trusted_image": (c_int, [_H, POINTER(_Image), _ERR]),
    "trusted_free": (None, [_H]),
    "verify": (c_int, [_H, _D, _D, c_uint32, _R, _FOUND, c_void_p, POINTER(_Summary), _ERR]),
    "repair": (c_int, [_H, _D, _D, _D, _D, _D, _R, _FOUND, c_void_p, POINTER(_Summary), _ERR]),
    "parity_check": (c_int, [_H, _D, _D, _D, _R, _ERR]),
    "reader_open": (c_int, [_H, _D, _D, _D, c_uint64, c_uint32, _OUT, _ERR]),
    "reader_read": (c_int, [_H, *_BYTES, c_uint64, POINTER(c_size_t), _ERR]),
    "reader_size": (c_uint64, [_H]),
    "reader_counters": (None, [_H, POINTER(_Counters)]),
    "reader_close": (None, [_H]),
    "certificate_parse": (c_int, [*_BYTES, _OUT, _ERR]),
    "certificate_free": (None, [_H]),
    "key_parse": (c_int, [*_BYTES, c_char_p, _OUT, _ERR]),
    "key_free": (None, [_H]),
    "sign": (c_int, [_H, _H, c_uint32, *_BYTES, _B, _ERR]),
    "sign_digest": (c_int, [_H, *_BYTES, _G, POINTER(c_char_p), _ERR]),
    "sign_attach": (c_int, [_H, c_uint32, *_BYTES, *_BYTES, _B, _ERR]),
    "signature_check": (c_int, [*_BYTES, *_BYTES, _OUT, c_size_t, _ERR]),
    "manifest": (c_int, [POINTER(_Image), _P, _G, _B, _ERR]),
    "sidecars_new": (c_int, [POINTER(_Image), _P, _G, _OUT, _ERR]),
    "sidecars_sign": (c_int, [_H, _H, _H, c_uint32, _ERR]),
    "sidecars_attach": (c_int, [_H, _H, c_uint32, *_BYTES, *_BYTES, _ERR]),
    "sidecars_part": (c_int, [_H, c_uint32, _B, _ERR]),
    "sidecars_free": (None, [_H]),
    "manifest_verify": (c_int, [*_BYTES, *_BYTES, _OUT, c_size_t, c_char_p, c_uint64, _D, _OUT, _ERR]),
    "table": (c_int, [_H, c_char_p, c_char_p, c_char_p, c_char_p, _B, _ERR]),
}
for _name, (_result, _arguments) in _FUNCTIONS.items():
    _function = getattr(_lib, "verity_" + _name)
    _function.restype, _function.argtypes = _result, _arguments
if _lib.verity_abi() != ABI:
    raise ImportError(f"libverity.so.0 has the ABI {_lib.verity_abi()}, not {ABI}")


def _call(name: str, *arguments: Any) -> None:
    error = c_void_p()
    if getattr(_lib, "verity_" + name)(*arguments, byref(error)) == 0:
        return
    info = _ErrorInfo()
    _lib.verity_error_get(error, byref(info))
    failure = _CLASSES.get(info.code, Error)(info.message.decode())
    failure.code, failure.class_name, failure.errno = info.code, info.class_name.decode(), info.os_errno
    if info.has_block:
        failure.block, failure.level = info.block, info.level
    _lib.verity_error_free(error)
    raise failure


def version() -> str:
    """The version of the library."""
    return _lib.verity_version().decode()


def digest_size(algorithm: str) -> int:
    """How many bytes a digest has; UnsupportedError if there is no such algorithm."""
    size = c_uint32()
    _call("algorithm", algorithm.encode(), byref(size))
    return size.value


class _View(ctypes.Structure):
    """Python's Py_buffer: what is in a buffer object, without a copy."""
    _fields_ = [("buf", c_void_p), ("obj", c_void_p), ("len", c_ssize_t), ("itemsize", c_ssize_t),
                ("readonly", c_int), ("ndim", c_int), ("format", c_char_p), ("shape", c_void_p), ("strides", c_void_p),
                ("suboffsets", c_void_p), ("internal", c_void_p)]


class _Pinned:
    """The bytes of a buffer object where they lie, for as long as the block runs."""

    def __init__(self, buffer: Any, writable: bool = False) -> None:
        self.view = _View()
        ctypes.pythonapi.PyObject_GetBuffer(buffer, byref(self.view), 1 if writable else 0)
        self.address, self.size = self.view.buf, self.view.len

    def __enter__(self) -> "_Pinned":
        return self

    def __exit__(self, *_: Any) -> None:
        ctypes.pythonapi.PyBuffer_Release(byref(self.view))


def _take(blob: _Blob) -> bytes:
    try:
        return ctypes.string_at(blob.data, blob.size)
    finally:
        _lib.verity_blob_free(byref(blob))


# ---- devices and runs ----


class _Opened:
    """A device of the caller as the library takes it. What it calls back to lives as long as this."""

    def __init__(self, device: Device) -> None:
        self.failure: Optional[BaseException] = None
        self.pinned: Optional[_Pinned] = None
        self.c = _Device(size=ctypes.sizeof(_Device), fd=-1)
        if isinstance(device, int):
            self.c.fd = device
        elif hasattr(device, "read_at"):
            self.object = device
            self.c.length = device.size
            self.c.user = id(device)
            self.c.read = _READ(self._read)
            if hasattr(device, "write_at"):
                self.c.write = _READ(self._write)
        elif isinstance(device, io.BytesIO):
            self._memory(device.getbuffer())
        elif hasattr(device, "fileno"):
            if hasattr(device, "flush"):
                device.flush()
            self.c.fd = device.fileno()
        else:
            self._memory(device)

    def _memory(self, buffer: Any) -> None:
        writable = not memoryview(buffer).readonly
        self.pinned = pinned = _Pinned(buffer, writable)
        self.c.length, self.c.user = pinned.size, pinned.address

        def read(_: Any, buf: int, count: int, offset: int) -> int:
            count = max(0, min(count, pinned.size - offset))
            ctypes.memmove(buf, pinned.address + offset, count)
            return count

        def write(_: Any, buf: int, count: int, offset: int) -> int:
            if offset + count > pinned.size:
                return -_errno.ENOSPC
            ctypes.memmove(pinned.address + offset, buf, count)
            return count

        self.c.read = _READ(read)
        if writable:
            self.c.write = _READ(write)

    def _guarded(self, call: Callable[..., int], buf: int, count: int, offset: int) -> int:
        try:
            view = memoryview((c_uint8 * count).from_address(buf)).cast("B")
            return call(view, offset)
        except OSError as failure:
            self.failure = failure
            return -(failure.errno or _errno.EIO)
        except BaseException as failure:  # Nothing may leave a call from C.
            self.failure = failure
            return -_errno.EIO

    def _read(self, _: Any, buf: int, count: int, offset: int) -> int:
        return self._guarded(self.object.read_at, buf, count, offset)

    def _write(self, _: Any, buf: int, count: int, offset: int) -> int:
        return self._guarded(lambda view, offset: self.object.write_at(view.toreadonly(), offset), buf, count, offset)

    def close(self) -> None:
        if self.pinned is not None:
            self.pinned.__exit__()
            self.pinned = None


class _Devices:
    """The devices of one call: None stays NULL, and one object is one device."""

    def __init__(self, *devices: Device) -> None:
        self.opened: list[Optional[_Opened]] = []
        for index, device in enumerate(devices):
            same = [self.opened[other] for other in range(index) if devices[other] is device]
            self.opened.append(None if device is None else same[0] if same else _Opened(device))
        self.pointers = [None if opened is None else byref(opened.c) for opened in self.opened]

    def __enter__(self) -> list[Any]:
        return self.pointers

    def __exit__(self, kind: Any, failure: Any, trace: Any) -> None:
        self.close()
        # The caller's own exception is the cause of the error that it has become.
        for opened in self.opened:
            if opened is not None and opened.failure is not None and isinstance(failure, Error):
                raise failure from opened.failure

    def close(self) -> None:
        for opened in self.opened:
            if opened is not None:
                opened.close()


class Cancel:
    """A switch that stops work: set() from any thread or signal handler."""

    def __init__(self) -> None:
        self._handle = c_void_p(_lib.verity_cancel_new())

    def set(self) -> None:
        _lib.verity_cancel_set(self._handle)

    def __del__(self) -> None:
        _lib.verity_cancel_free(self._handle)


class _Running:
    """How long work runs. An exception of the caller's progress stops it, and goes on to the caller."""

    def __init__(self, threads: int, progress: Optional[Progress], cancel: Optional[Cancel]) -> None:
        self.failure: Optional[BaseException] = None
        self.progress, self.cancel = progress, cancel
        self.c = _Run(size=ctypes.sizeof(_Run), threads=threads)
        if progress is not None:
            self.c.progress = _PROGRESS(self._progress)
        if cancel is not None:
            self.c.cancel = cancel._handle

    def _progress(self, _: Any, done: int, total: int) -> int:
        try:
            assert self.progress is not None
            return 1 if self.progress(done, total) is False else 0
        except BaseException as failure:
            self.failure = failure
            return 1

    def __enter__(self) -> Any:
        return byref(self.c)

    def __exit__(self, *_: Any) -> None:
        if self.failure is not None:
            raise self.failure


# ---- parameters ----


class Places(NamedTuple):
    """What follows from parameters. All in bytes, but hash_start (hash blocks), fec_blocks and levels."""
    data_size: int
    superblock_offset: int
    hash_start: int
    tree_offset: int
    tree_size: int
    hash_end: int
    fec_offset: int
    fec_size: int
    fec_end: int
    fec_blocks: int
    levels: int

    @staticmethod
    def _of(c: _Places) -> "Places":
        return Places(*(getattr(c, name) for name in _PLACES))


@dataclass(frozen=True)
class Params:
    """The parameters of an image, and where its parts lie."""
    algorithm: str = "sha256"
    hash_type: int = 1
    data_block_size: int = 4096
    hash_block_size: int = 4096
    data_blocks: int = 0
    salt: bytes = b""
    uuid: bytes = field(default=bytes(16), repr=False)
    superblock: bool = True
    from_superblock: bool = False
    hash_offset: int = 0
    fec_roots: int = 0
    fec_offset: int = 0
    fec_blocks: int = 0

    def _c(self) -> _Params:
        c = _Params()
        _call("params_init", byref(c), ctypes.sizeof(c))
        if len(self.salt) > 256 or len(self.uuid) != 16 or len(self.algorithm.encode()) > 31:
            raise ArgumentError("a salt has at most 256 bytes, a UUID 16, the name of an algorithm at most 31")
        c.algorithm = self.algorithm.encode()
        c.salt[:len(self.salt)], c.salt_size = self.salt, len(self.salt)
        c.uuid[:] = self.uuid
        c.flags = (0 if self.superblock else NO_SUPERBLOCK) | (FROM_SUPERBLOCK if self.from_superblock else 0)
        for name in ["hash_type", "data_block_size", "hash_block_size", "data_blocks", "hash_offset", "fec_roots", "fec_offset",
                     "fec_blocks"]:
            setattr(c, name, getattr(self, name))
        return c

    @staticmethod
    def _of(c: _Params) -> "Params":
        return Params(c.algorithm.decode(), c.hash_type, c.data_block_size, c.hash_block_size, c.data_blocks,
                      bytes(c.salt[:c.salt_size]), bytes(c.uuid), not c.flags & NO_SUPERBLOCK, bool(c.flags & FROM_SUPERBLOCK),
                      c.hash_offset, c.fec_roots, c.fec_offset, c.fec_blocks)

    def seed(self, text: str) -> "Params":
        """With salt and UUID that follow from a text, so that the same build makes the same bytes."""
        c = self._c()
        _call("params_seed", byref(c), text.encode())
        return Params._of(c)

    def plan(self) -> Places:
        """What follows from these parameters."""
        places = _Places()
        _call("plan", byref(self._c()), byref(places))
        return Places._of(places)

    def plan_image(self, size: int, one_device: bool = False) -> tuple["Params", Places]:
        """For an image of that many bytes, with tree and parity on a device of their own, or behind the data."""
        c, places = self._c(), _Places()
        _call("plan_image", byref(c), size, int(one_device), byref(places))
        return Params._of(c), Places._of(places)

    def plan_partition(self, size: int) -> tuple["Params", Places]:
        """For the largest image that fits a partition together with its tree and parity."""
        c, places = self._c(), _Places()
        _call("plan_partition", byref(c), size, byref(places))
        return Params._of(c), Places._of(places)

    @staticmethod
    def read(hash: Device, offset: int = 0) -> "Params":
        """What a superblock says. Nothing vouches for it."""
        c = Params()._c()
        with _Devices(hash) as devices:
            _call("superblock_read", devices[0], offset, byref(c))
        return Params._of(c)

    def superblock_bytes(self) -> bytes:
        """The superblock."""
        out = (c_uint8 * 512)()
        _call("superblock_bytes", byref(self._c()), out)
        return bytes(out)

    def with_(self, **changes: Any) -> "Params":
        """With other values."""
        return replace(self, **changes)


def _digest(root: Union[bytes, str]) -> _Digest:
    value = bytes.fromhex(root) if isinstance(root, str) else bytes(root)
    digest = _Digest(size=len(value))
    if len(value) > 64:
        raise ArgumentError("no root hash has so many bytes")
    digest.bytes[:len(value)] = value
    return digest


# ---- building ----


def build(params: Params, data: Device, hash: Device, fec: Device = None, *, threads: int = 0,
          progress: Optional[Progress] = None, cancel: Optional[Cancel] = None) -> bytes:
    """Makes the hash area in the order that is safe: an old superblock goes, tree and parity are written and flushed, then the
    superblock. Returns the root hash. `progress(done, total)` that returns False, or raises, stops it. One thread is the calling
    one; 0 is one for each CPU."""
    root = _Digest()
    with _Running(threads, progress, cancel) as run, _Devices(data, hash, fec) as devices:
        _call("build", byref(params._c()), *devices, run, byref(root))
    return bytes(root.bytes[:root.size])


class Stream:
    """Builds from data that is written to it, as to a file. Its length need not be known."""

    def __init__(self, params: Params, hash: Device, *, threads: int = 0, cancel: Optional[Cancel] = None) -> None:
        self._handle = c_void_p()
        self._running, self._devices = _Running(threads, None, cancel), _Devices(hash)
        _call("stream_new", byref(params._c()), self._devices.pointers[0], byref(self._running.c), byref(self._handle))

    def write(self, data: Any) -> int:
        with _Pinned(data) as pinned:
            _call("stream_write", self._handle, pinned.address, pinned.size)
            return pinned.size

    def finish(self) -> tuple[Params, bytes]:
        """Ends the data; returns the parameters, with the number of data blocks, and the root hash."""
        c, root = Params()._c(), _Digest()
        _call("stream_finish", self._handle, byref(c), byref(root))
        return Params._of(c), bytes(root.bytes[:root.size])

    def finish_fec(self, data: Device, fec: Device = None) -> tuple[Params, bytes]:
        """The same with parity, which takes the data once more, from where it was kept. The parity goes to its place on `fec`, or
        behind the hash area. CorruptError if other data was kept."""
        c, root = Params()._c(), _Digest()
        with _Devices(data, fec) as devices:
            _call("stream_finish_fec", self._handle, *devices, byref(c), byref(root))
        return Params._of(c), bytes(root.bytes[:root.size])

    def close(self) -> None:
        handle, self._handle = self._handle, c_void_p()
        _lib.verity_stream_free(handle)
        self._devices.close()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self.close()


# ---- signatures ----


class Certificate:
    """A certificate, PEM or DER."""

    def __init__(self, file: bytes) -> None:
        self._handle = c_void_p()
        with _Pinned(file) as pinned:
            _call("certificate_parse", pinned.address, pinned.size, byref(self._handle))

    def __del__(self) -> None:
        _lib.verity_certificate_free(self._handle)


class Key:
    """A private key, PEM or DER."""

    def __init__(self, file: bytes, passphrase: Optional[str] = None) -> None:
        self._handle = c_void_p()
        with _Pinned(file) as pinned:
            secret = None if passphrase is None else passphrase.encode()
            _call("key_parse", pinned.address, pinned.size, secret, byref(self._handle))

    def __del__(self) -> None:
        _lib.verity_key_free(self._handle)


def _content(content: Union[bytes, str]) -> bytes:
    return content.encode() if isinstance(content, str) else content


def sign(key: Key, certificate: Certificate, content: Union[bytes, str], *, embed_certificate: bool = False,
         subject_key_id: bool = False) -> bytes:
    """A signature over the text of a root hash (root.hex()) or the bytes of a manifest."""
    blob = _Blob()
    with _Pinned(_content(content)) as pinned:
        _call("sign", key._handle, certificate._handle, embed_certificate | subject_key_id << 1, pinned.address, pinned.size,
              byref(blob))
    return _take(blob)


def sign_digest(certificate: Certificate, content: Union[bytes, str]) -> tuple[str, bytes]:
    """What a key elsewhere has to sign: the name of the digest, and the digest."""
    digest, name = _Digest(), c_char_p()
    with _Pinned(_content(content)) as pinned:
        _call("sign_digest", certificate._handle, pinned.address, pinned.size, byref(digest), byref(name))
    return (name.value or b"").decode(), bytes(digest.bytes[:digest.size])


def sign_attach(certificate: Certificate, content: Union[bytes, str], raw: bytes, *, embed_certificate: bool = False,
                subject_key_id: bool = False) -> bytes:
    """A checked signature around the raw one of a key elsewhere."""
    blob = _Blob()
    with _Pinned(_content(content)) as pinned, _Pinned(raw) as signed:
        _call("sign_attach", certificate._handle, embed_certificate | subject_key_id << 1, pinned.address, pinned.size,
              signed.address, signed.size, byref(blob))
    return _take(blob)


def _handles(certificates: Sequence[Certificate]) -> Any:
    return (c_void_p * len(certificates))(*(certificate._handle.value for certificate in certificates))


def check_signature(signature: bytes, content: Union[bytes, str], pinned: Sequence[Certificate]) -> None:
    """Returns if one of the pinned certificates has signed the content, and raises otherwise."""
    with _Pinned(signature) as signed, _Pinned(_content(content)) as bytes_:
        _call("signature_check", signed.address, signed.size, bytes_.address, bytes_.size, _handles(pinned), len(pinned))


@dataclass(frozen=True)
class Image:
    """Which image a manifest is about; `not_after` in unix seconds, or 0."""
    name: str
    size_bytes: int
    version: int = 0
    label: str = ""
    not_after: int = 0


    def _c(self) -> _Image:
        return _Image(ctypes.sizeof(_Image), 0, self.name.encode(), self.label.encode(), self.version, self.size_bytes,
                      self.not_after)


def manifest(image: Image, params: Params, root: Union[bytes, str]) -> bytes:
    """The manifest of an image that was built with these parameters."""
    blob = _Blob()
    _call("manifest", byref(image._c()), byref(params._c()), byref(_digest(root)), byref(blob))
    return _take(blob)


class Sidecars:
    """Everything that lies beside an image that was built with these parameters; not signed at first."""

    def __init__(self, image: Image, params: Params, root: Union[bytes, str]) -> None:
        self._handle = c_void_p()
        _call("sidecars_new", byref(image._c()), byref(params._c()), byref(_digest(root)), byref(self._handle))

    def sign(self, key: Key, certificate: Certificate, *, embed_certificate: bool = False, subject_key_id: bool = False,
             signature_partition: bool = False) -> "Sidecars":
        """Signs root hash and manifest; returns itself."""
        flags = embed_certificate | subject_key_id << 1 | signature_partition << 2
        _call("sidecars_sign", self._handle, key._handle, certificate._handle, flags)
        return self

    def attach(self, certificate: Certificate, root_raw: bytes, manifest_raw: bytes, *, embed_certificate: bool = False,
               subject_key_id: bool = False, signature_partition: bool = False) -> "Sidecars":
        """The same by a key elsewhere, which has signed sign_digest() of the parts ROOT_HASH and MANIFEST."""
        flags = embed_certificate | subject_key_id << 1 | signature_partition << 2
        with _Pinned(root_raw) as root, _Pinned(manifest_raw) as manifest:
            _call("sidecars_attach", self._handle, certificate._handle, flags, root.address, root.size, manifest.address,
                  manifest.size)
        return self

    def __getitem__(self, part: Part) -> bytes:
        """The content of a part; KeyError if there is to be none."""
        blob = _Blob()
        _call("sidecars_part", self._handle, part, byref(blob))
        if blob.data is None:
            raise KeyError(part)
        return _take(blob)

    def parts(self) -> list[tuple[Part, bytes]]:
        """The contents of all parts that there are. Write, fsync and rename them in this order: the last one makes the image one
        that a verifier takes."""
        found = []
        for part in Part:
            try:
                found.append((part, self[part]))
            except KeyError:
                pass
        return found

    def __del__(self) -> None:
        _lib.verity_sidecars_free(self._handle)


# ---- trust ----


class Trusted:
    """What is verified against, and who vouches for it."""

    def __init__(self) -> None:
        self._handle = c_void_p()

    @staticmethod
    def pinned(params: Params, root: Union[bytes, str]) -> "Trusted":
        """Parameters that the caller knows by itself; UntrustedError if a superblock has said them."""
        trusted = Trusted()
        _call("trusted_pinned", byref(params._c()), byref(_digest(root)), byref(trusted._handle))
        return trusted

    @staticmethod
    def unauthenticated(params: Params, root: Union[bytes, str]) -> "Trusted":
        """Parameters that nothing vouches for, as those of a superblock."""
        trusted = Trusted()
        _call("trusted_unauthenticated", byref(params._c()), byref(_digest(root)), byref(trusted._handle))
        return trusted

    @staticmethod
    def from_manifest(manifest: bytes, signature: bytes, pinned: Sequence[Certificate], *, name: Optional[str], now: int,
                      hash: Device = None) -> "Trusted":
        """What a manifest says that one of the pinned certificates has signed. It is about the image `name` (None: any) and
        has not expired at `now` (0: or has); `hash` is the device with the superblock that it binds."""
        trusted = Trusted()
        with _Pinned(manifest) as bytes_, _Pinned(signature) as signed, _Devices(hash) as devices:
            _call("manifest_verify", bytes_.address, bytes_.size, signed.address, signed.size, _handles(pinned), len(pinned),
                  None if name is None else name.encode(), now, devices[0], byref(trusted._handle))
        return trusted

    def _get(self) -> tuple[Params, bytes, int]:
        c, root, vouched_by = Params()._c(), _Digest(), c_int()
        _call("trusted_get", self._handle, byref(c), byref(root), byref(vouched_by))
        return Params._of(c), bytes(root.bytes[:root.size]), vouched_by.value

    @property
    def params(self) -> Params:
        return self._get()[0]

    @property
    def root(self) -> bytes:
        return self._get()[1]

    @property
    def vouched_by(self) -> int:
        """BY_NOBODY, BY_CALLER or BY_MANIFEST."""
        return self._get()[2]

    @property
    def image(self) -> Image:
        """The image of a manifest."""
        c = _Image(size=ctypes.sizeof(_Image))
        _call("trusted_image", self._handle, byref(c))
        return Image(c.name.decode(), c.size_bytes, c.version, c.label.decode(), c.not_after)

    def __del__(self) -> None:
        _lib.verity_trusted_free(self._handle)


# ---- verifying, repairing, reading ----


class Found(NamedTuple):
    """Blocks in a row: CORRUPT, UNREADABLE, UNCHECKED or REPAIRED; level -1 is data."""
    what: int
    level: int
    first: int
    blocks: int


class Summary(NamedTuple):
    """What was found, in blocks."""
    data_blocks: int
    hash_blocks: int
    corrupt: int
    unreadable: int
    unchecked: int
    repaired: int
    found: Sequence[Found] = ()


def _finding(name: str, *arguments: Any) -> Summary:
    found: list[Found] = []
    summary = _Summary()

    def find(_: Any, what: int, level: int, first: int, blocks: int) -> int:
        found.append(Found(what, level, first, blocks))
        return 0

    def told() -> Summary:
        return Summary(*(getattr(summary, name) for name, _ in _Summary._fields_[:6]), tuple(found))

    try:
        _call(name, *arguments, _FOUND(find), None, byref(summary))
    except Error as failure:
        failure.found, failure.summary = tuple(found), told()
        raise
    return told()


def verify(trusted: Trusted, data: Device, hash: Device, *, all: bool = False, ignore_zero_blocks: bool = False,
           threads: int = 0, progress: Optional[Progress] = None, cancel: Optional[Cancel] = None) -> Summary:
    """Returns if the image is intact. Otherwise CorruptError, which has `found` and `summary`: of the first corrupt block, or
    of all."""
    with _Running(threads, progress, cancel) as run, _Devices(data, hash) as devices:
        return _finding("verify", trusted._handle, *devices, all | ignore_zero_blocks << 1, run)


def repair(trusted: Trusted, data: Device, hash: Device, fec: Device, data_out: Device = None, hash_out: Device = None, *,
           threads: int = 0, progress: Optional[Progress] = None, cancel: Optional[Cancel] = None) -> Summary:
    """Recovers corrupt blocks, and writes them if outputs are given. UnrepairedError if some are left."""
    with _Running(threads, progress, cancel) as run, _Devices(data, hash, fec, data_out, hash_out) as devices:
        return _finding("repair", trusted._handle, *devices, run)


def check_parity(trusted: Trusted, data: Device, hash: Device, fec: Device, *, threads: int = 0,
                 progress: Optional[Progress] = None, cancel: Optional[Cancel] = None) -> None:
    """Returns if the parity is that of an image that was verified."""
    with _Running(threads, progress, cancel) as run, _Devices(data, hash, fec) as devices:
        _call("parity_check", trusted._handle, *devices, run)


class Counters(NamedTuple):
    """What a reader has done so far."""
    data_blocks_read: int
    hash_blocks_read: int
    cache_hits: int
    corruptions: int
    read_errors: int
    repairs: int


class Reader(io.RawIOBase):
    """Proved data as a binary file: read(), readinto(), seek(). Buffer it (io.BufferedReader) for many small reads."""

    def __init__(self, trusted: Trusted, data: Device, hash: Device, fec: Device = None, *, cache_bytes: int = 0,
                 ignore_zero_blocks: bool = False, check_at_most_once: bool = False) -> None:
        self._handle, self._position = c_void_p(), 0
        self._devices = _Devices(data, hash, fec)
        flags = ignore_zero_blocks << 1 | check_at_most_once << 2
        _call("reader_open", trusted._handle, *self._devices.pointers, cache_bytes, flags, byref(self._handle))
        self.size: int = _lib.verity_reader_size(self._handle)

    def readinto_at(self, buffer: Any, offset: int) -> int:
        """Reads proved bytes into a buffer, without a copy; fewer only at the end, or in front of a wrong block, which is then
        an error of the next read. Any thread may."""
        if self.closed:
            raise ValueError("the reader is closed")
        got = c_size_t()
        with _Pinned(buffer, writable=True) as pinned:
            try:
                _call("reader_read", self._handle, pinned.address, pinned.size, offset, byref(got))
            except Error:
                if got.value == 0:
                    raise
        return got.value

    def readinto(self, buffer: Any) -> int:
        count = self.readinto_at(buffer, self._position)
        self._position += count
        return count

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the start")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    @property
    def counters(self) -> Counters:
        c = _Counters()
        _lib.verity_reader_counters(self._handle, byref(c))
        return Counters(*(getattr(c, name) for name in Counters._fields))

    def close(self) -> None:
        if not self.closed and getattr(self, "_handle", None):
            handle, self._handle = self._handle, c_void_p()
            _lib.verity_reader_close(handle)
            self._devices.close()
        super().close()


def table(trusted: Trusted, data_name: str, hash_name: str, fec_name: Optional[str] = None, options: str = "") -> str:
    """The table of a verity device as dmsetup takes it."""
    blob = _Blob()
    fec = None if fec_name is None else fec_name.encode()
    _call("table", trusted._handle, data_name.encode(), hash_name.encode(), fec, options.encode(), byref(blob))
    return _take(blob).decode()
