"""Wick and the official Python client in one cache: each reads what the other wrote. Run by hub.py."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

MIB = 1 << 20


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Wick:
    """Wick's own fetch, into a cache of its own or of others."""

    def __init__(self, hub, program):
        self.program = program
        self.environment = {**os.environ, "HF_ENDPOINT": hub.endpoint}

    def start(self, cache, repo):
        command = [self.program, str(cache), repo, "main"]
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def fetch(self, cache, repo):
        return self.end(self.start(cache, repo))

    def end(self, process):
        out, complaint = process.communicate()
        assert process.returncode == 0, complaint
        return json.loads(out)


def served(folder):
    """A repository as people have it, with weights that are all in LFS."""
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}\n')
    (folder / "tokenizer.json").write_text('{"version": "1.0"}\n')
    (folder / "model.safetensors").write_bytes(os.urandom(3 * MIB))
    (folder / "model-Q8_0.gguf").write_bytes(b"GGUF" + os.urandom(2 * MIB))
    return folder


def size(folder):
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def both(hub, checks, program, home):
    """Each reads what the other wrote."""
    import huggingface_hub as hf

    wick = Wick(hub, program)
    folder = served(home / "first")
    first = hub.order(f"commit org/both main {folder}")

    def sent():
        return sum(seen["bytes_sent"] for seen in hub.requests())

    ours = home / "wick" / "hub"
    sent()
    told = wick.fetch(ours, "org/both")
    checks.check("Wick brings each byte once", sent(), size(folder))
    checks.check("all files of it", told["files"], sorted(path.name for path in folder.iterdir()))
    checks.check("all bytes of it", all((Path(told["snapshot"]) / path.name).read_bytes() == path.read_bytes() for path in folder.iterdir()))
    scan = hf.scan_cache_dir(ours)
    checks.check("scan_cache_dir of Wick's cache has no warnings", [str(warning) for warning in scan.warnings], [])
    found = [(repo.repo_id, repo.nb_files, repo.size_on_disk, list(repo.refs)) for repo in scan.repos]
    checks.check("and finds all of it", found, [("org/both", 4, size(folder), ["main"])])
    for name in told["files"]:
        path = hf.hf_hub_download("org/both", name, cache_dir=ours, local_files_only=True)
        checks.check(f"hf_hub_download without a hub: {name}", path, f"{told['snapshot']}/{name}")
    hub.order("offline")
    checks.check("snapshot_download without a hub", hf.snapshot_download("org/both", cache_dir=ours, local_files_only=True), told["snapshot"])
    hub.order("online")
    checks.check("snapshot_download", hf.snapshot_download("org/both", cache_dir=ours), told["snapshot"])
    checks.check("brings nothing more", sent(), 0)

    theirs = home / "python2" / "hub"
    snapshot = hf.snapshot_download("org/both", cache_dir=theirs)
    before = sorted(str(path) for path in theirs.rglob("*"))
    sent()
    checks.check("Wick finds what Python wrote", wick.fetch(theirs, "org/both")["snapshot"], snapshot)
    checks.check("and brings nothing more", sent(), 0)
    checks.check("and leaves nothing behind", [path for path in sorted(map(str, theirs.rglob("*"))) if path not in before], [])

    (folder / "config.json").write_text('{"model_type": "qwen3"}\n')
    second = hub.order(f"commit org/both main {folder}")
    sent()
    told = wick.fetch(theirs, "org/both")
    checks.check("Wick brings what changed", (told["snapshot"].endswith(second), sent()), (True, 24))
    found = {commit for repo in hf.scan_cache_dir(theirs).repos for commit in (revision.commit_hash for revision in repo.revisions)}
    checks.check("Python sees both commits", found, {first, second})
    checks.check("and main is the second", Path(hf.hf_hub_download("org/both", "config.json", cache_dir=theirs, local_files_only=True)).read_text(), '{"model_type": "qwen3"}\n')
    hf.scan_cache_dir(theirs).delete_revisions(first, second).execute()
    sent()
    wick.fetch(theirs, "org/both")
    checks.check("after Python deleted it, Wick brings it anew", sent(), size(folder))

    at_once(hub, checks, wick, home)
    killed(hub, checks, wick, home)


def at_once(hub, checks, wick, home):
    """Two programs want the same file in the same cache."""
    hub.order(f"random org/busy main model.gguf 3 {8 * MIB}")
    python = "import sys, huggingface_hub as hf; print(hf.hf_hub_download('org/busy', 'model.gguf', cache_dir=sys.argv[1]))"

    def other(cache):
        return subprocess.Popen([sys.executable, "-c", python, str(cache)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(name, start_first, start_second):
        cache = home / name / "hub"
        hub.requests()
        hub.order("fault slow 262144 path=model.gguf always")
        one = start_first(cache)
        while not any(seen["bytes_sent"] for seen in json.loads(hub.order("requests"))):
            time.sleep(0.01)
        two = start_second(cache)
        results = [process.communicate() for process in (one, two)]
        hub.order("behave")
        checks.check(f"{name}: both end well", [one.returncode, two.returncode, *(err for _, err in results if "rror" in err)], [0, 0])
        brought = sum(seen["bytes_sent"] for seen in hub.requests())
        checks.check(f"{name}: each byte comes once", brought, 8 * MIB)
        blobs = list((cache / "models--org--busy" / "blobs").iterdir())
        checks.check(f"{name}: one blob, right", [blob.name for blob in blobs], [digest(blobs[0])])

    def wick_starts(cache):
        return wick.start(cache, "org/busy")

    run("Wick, then Python", wick_starts, other)
    run("Python, then Wick", other, wick_starts)
    run("Wick, then Wick", wick_starts, wick_starts)


def killed(hub, checks, wick, home):
    """A program dies in the middle, another goes on."""
    import huggingface_hub as hf

    length = 24 * MIB
    hub.order(f"random org/torn main model.gguf 4 {length}")
    python = "import sys, huggingface_hub as hf; hf.hf_hub_download('org/torn', 'model.gguf', cache_dir=sys.argv[1])"

    def halfway(cache, process):
        while sum(seen["bytes_sent"] for seen in json.loads(hub.order("requests"))) < length // 2:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        hub.order("behave")
        return [str(warning) for warning in hf.scan_cache_dir(cache).warnings]

    def begin(name):
        hub.order("behave")
        hub.requests()
        # Slowly enough that Wick, which makes what came durable once a second, has done so before the kill.
        hub.order("fault slow 65536 path=model.gguf always")
        return home / name / "hub"

    def right(path):
        blob = Path(path).resolve()
        return blob.name == digest(blob)

    cache = begin("killed-1")
    checks.check("scanned after Wick was killed", halfway(cache, wick.start(cache, "org/torn")), [])
    checks.check("Python goes on after Wick", right(hf.hf_hub_download("org/torn", "model.gguf", cache_dir=cache)))
    hub.requests()
    checks.check("and Wick after that", right(Path(wick.fetch(cache, "org/torn")["snapshot"]) / "model.gguf"))
    checks.check("without a byte", sum(seen["bytes_sent"] for seen in hub.requests()), 0)

    cache = begin("killed-2")
    checks.check("scanned after Wick was killed again", halfway(cache, wick.start(cache, "org/torn")), [])
    hub.requests()
    checks.check("Wick goes on after Wick", right(Path(wick.fetch(cache, "org/torn")["snapshot"]) / "model.gguf"))
    again = sum(seen["bytes_sent"] for seen in hub.requests())
    print(f"      it brought {again / length:.0%} of the file, of which half had been sent before the kill")
    checks.check("with less than all bytes", again < length)
    blobs = [path.name for path in (cache / "models--org--torn" / "blobs").iterdir()]
    checks.check("and nothing is left but the blob", len(blobs), 1)

    cache = begin("killed-3")
    process = subprocess.Popen([sys.executable, "-c", python, str(cache)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    checks.check("scanned after Python was killed", halfway(cache, process), [])
    checks.check("Wick goes on after Python", right(Path(wick.fetch(cache, "org/torn")["snapshot"]) / "model.gguf"))
