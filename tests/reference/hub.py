#!/usr/bin/env python3
"""The fake hub against the official Python client, and Wick's cache against it.

    python hub.py target/debug/fake-hub [target/debug/examples/fetch]

Needs huggingface_hub==2.4.0 and nothing else. Prints a line for each check, and ends with 1 if one failed. With the second
program (Wick's own fetch) each side also reads what the other wrote.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HOME = Path(tempfile.mkdtemp(prefix="wick-hub-"))
os.environ.update(
    HF_HOME=str(HOME / "python"), HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_VERBOSITY="critical",
    HF_HUB_DISABLE_TELEMETRY="1",
)
for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
    os.environ.pop(name, None)

MIB = 1 << 20


class FakeHub:
    """The program, its repositories and its orders."""

    def __init__(self, program, folder):
        self.process = subprocess.Popen([program, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.endpoint = self.process.stdout.readline().strip()

    def order(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert not answer.startswith("error"), f"{line}: {answer}"
        return answer

    def requests(self):
        """What was asked since the last call."""
        log = json.loads(self.order("requests"))
        self.order("forget")
        return log

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def files():
    """A folder as fake-hub wants it."""
    folder = HOME / "served"
    model = folder / "org" / "model"
    (model / "sub folder").mkdir(parents=True)
    (model / "config.json").write_text('{"model_type": "llama"}\n')
    (model / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    (model / "sub folder" / "merges ü.txt").write_text("a b\n")
    (model / "empty").write_bytes(b"")
    (model / "model.gguf").write_bytes(b"GGUF" + bytes(range(256)) * 4000)
    return folder


class Checks:
    """Lines on the screen, and how many were bad."""

    def __init__(self):
        self.done = self.failed = 0

    def check(self, what, found, expected=True):
        good = found == expected
        self.done += 1
        self.failed += not good
        print(("ok    " if good else "WRONG ") + what + ("" if good else f": {found!r}, expected {expected!r}"), flush=True)

    def raises(self, what, error, call):
        try:
            call()
            found = None
        except Exception as raised:  # noqa: BLE001 - whatever else it is, is what this tells
            found = raised
        self.check(what, type(found).__name__, error.__name__)


def downloads(hub, checks):
    import huggingface_hub as hf

    served = HOME / "served" / "org" / "model"
    for name in ("config.json", "model.gguf", "sub folder/merges ü.txt", "empty"):
        path = hf.hf_hub_download("org/model", name)
        checks.check(f"hf_hub_download {name}", Path(path).read_bytes(), (served / name).read_bytes())
    folder = Path(hf.snapshot_download("org/model"))
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    checks.check("snapshot_download has all", found, ["README.md", "config.json", "empty", "model.gguf", "sub folder/merges ü.txt"])
    scan = hf.scan_cache_dir()
    checks.check("scan_cache_dir has no warnings", scan.warnings, [])
    hub.requests()
    hf.snapshot_download("org/model")
    checks.check("a second snapshot_download brings no byte", sum(seen["bytes_sent"] for seen in hub.requests()), 0)
    checks.check("try_to_load_from_cache", Path(hf.try_to_load_from_cache("org/model", "model.gguf")).is_file())


def trouble(hub, checks):
    import huggingface_hub as hf

    folder = HOME / "python" / "hub" / "models--org--big"
    commit = hub.order(f"random org/big main big.bin 7 {35 * MIB}")
    whole = digest(hf.hf_hub_download("org/big", "big.bin"))

    def again(**how):
        shutil.rmtree(folder)
        return digest(hf.hf_hub_download("org/big", "big.bin", **how))

    hub.requests()
    hub.order(f"fault cut {25 * MIB} path=big.bin")
    checks.check("what was cut is the same in the end", again(revision=commit), whole)
    ranges = [seen["range"] for seen in hub.requests() if seen["host"] == "cdn"]
    checks.check("it goes on at the last of its chunks", ranges, [None, [20 * MIB, 35 * MIB]])
    for fault in ("relative_redirect times=2", "no_ranges", "no_length", "rate_limited 0", "slow 9000000"):
        hub.order(f"fault {fault} path=big.bin")
        checks.check(f"in spite of {fault}", again(), whole)
        hub.order("behave")
    hub.order("fault status 503 path=big.bin always")
    checks.check("a hub in trouble, a file in the cache", digest(hf.hf_hub_download("org/big", "big.bin")), whole)
    hub.order("behave")
    hub.order("offline")
    checks.check("no hub, a file in the cache", digest(hf.hf_hub_download("org/big", "big.bin")), whole)
    hub.order("online")


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def facts(hub, checks):
    import huggingface_hub as hf

    hub.order("repo org/facts task=text-generation licence=apache-2.0 tag=chat gguf=8000000000 safetensors=8000000001 likes=5")
    hub.order("random org/facts main model-00001-of-00002.safetensors 1 20000")
    second = hub.order("random org/facts main model.gguf 1 20000")
    info = hf.model_info("org/facts", files_metadata=True)
    checks.check("sha", info.sha, second)
    checks.check("gated", info.gated, False)
    checks.check("safetensors", info.safetensors.total, 8000000001)
    checks.check("gguf", info.gguf["total"], 8000000000)
    checks.check("tags", info.tags, ["gguf", "text-generation", "chat", "license:apache-2.0", "region:us"])
    checks.check("card", info.card_data.license, "apache-2.0")
    sibling = info.siblings[0]
    checks.check("sibling", (sibling.rfilename, sibling.size, sibling.lfs.size), ("model.gguf", 20000, 20000))
    entry = next(iter(hf.list_repo_tree("org/facts")))
    checks.check("the tree says the same hash", entry.lfs.sha256, sibling.lfs.sha256)
    checks.check("the tree says the same blob", entry.blob_id, sibling.blob_id)
    metadata = hf.get_hf_file_metadata(hf.hf_hub_url("org/facts", "model.gguf"))
    checks.check("resolve says the same hash", (metadata.etag, metadata.size, metadata.commit_hash), (entry.lfs.sha256, 20000, second))
    checks.check("and where it is", metadata.location.startswith("http://localhost:"))
    info = hf.model_info("org/facts", expand=["gguf", "lastModified"])
    checks.check("expand", (info.gguf["total"], info.sha, info.last_modified is not None), (8000000000, None, True))
    paths = hf.get_paths_info("org/model", ["sub folder", "empty", "none"])
    checks.check("get_paths_info", [path.path for path in paths], ["sub folder", "empty"])
    checks.check("git_hash of a small file", paths[1].blob_id, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
    tree = hf.list_repo_tree("org/model", recursive=True, expand=True)
    checks.check("the tree, expanded", [entry.path for entry in tree if entry.last_commit], [
        "README.md", "config.json", "empty", "model.gguf", "sub folder", "sub folder/merges ü.txt"])
    many = HOME / "many"
    many.mkdir()
    for number in range(2100):
        (many / f"{number:04}").write_text("")
    hub.order(f"commit org/many main {many}")
    checks.check("a tree of three pages", len(list(hf.list_repo_tree("org/many"))), 2100)


def searches(hub, checks):
    import huggingface_hub as hf

    for number in range(1100):
        hub.order(f"repo many/model-{number:04} task=text-generation downloads={number} likes={1100 - number} licence=mit")
    found = [model.id for model in hf.list_models(author="many", sort="downloads")]
    checks.check("two pages of models", (len(found), found[0], found[-1]), (1100, "many/model-1099", "many/model-0000"))
    first = next(iter(hf.list_models(author="many", sort="likes", limit=1)))
    checks.check("sorted by likes", first.id, "many/model-0000")
    found = [model.id for model in hf.list_models(search="facts", filter=["gguf", "license:apache-2.0"])]
    checks.check("filters", found, ["org/facts"])
    found = next(iter(hf.list_models(search="facts", pipeline_tag="text-generation", expand=["gguf", "gated", "trendingScore"])))
    checks.check("expanded", (found.gguf["total"], found.gated, found.trending_score, found.downloads), (8000000000, False, 0, None))
    full = next(iter(hf.list_models(search="org/facts", full=True)))
    checks.check("in full", (full.author, [one.rfilename for one in full.siblings]), ("org", ["model.gguf"]))


def errors(hub, checks):
    import huggingface_hub as hf
    from huggingface_hub import errors as e

    hub.order("repo org/gated gated")
    hub.order("random org/gated main model.gguf 1 1000")
    hub.order("repo org/private private")
    hub.order("random org/private main model.gguf 1 1000")
    hub.order("token hf_out")
    hub.order("token hf_in org/gated org/private")
    bring = hf.hf_hub_download
    checks.raises("no repository", e.RepositoryNotFoundError, lambda: bring("org/none", "x"))
    checks.raises("no repository, known", e.RepositoryNotFoundError, lambda: bring("org/none", "x", token="hf_out"))
    checks.raises("no revision", e.RevisionNotFoundError, lambda: bring("org/model", "x", revision="none"))
    checks.raises("no revision, by its API", e.RevisionNotFoundError, lambda: hf.model_info("org/model", revision="none"))
    checks.raises("no entry", e.RemoteEntryNotFoundError, lambda: bring("org/model", "none"))
    checks.raises("no folder", e.RemoteEntryNotFoundError, lambda: list(hf.list_repo_tree("org/model", "none")))
    for token in (False, "hf_out"):
        checks.raises(f"gated, {token}", e.GatedRepoError, lambda: bring("org/gated", "model.gguf", token=token))
        checks.raises(f"private, {token}", e.RepositoryNotFoundError, lambda: bring("org/private", "model.gguf", token=token))
        checks.raises(f"private by its API, {token}", e.RepositoryNotFoundError, lambda: hf.model_info("org/private", token=token))
        checks.check(f"gated says that it is, {token}", hf.model_info("org/gated", token=token).gated, "auto")
    checks.raises("a wrong token", e.HfHubHTTPError, lambda: hf.model_info("org/model", token="hf_wrong"))
    checks.raises("a wrong token, whoami", e.HfHubHTTPError, lambda: hf.whoami(token="hf_wrong"))
    checks.check("whoami", hf.whoami(token="hf_out")["name"], "person")
    hub.requests()
    for repo in ("org/gated", "org/private"):
        checks.check(f"let in: {repo}", os.path.getsize(bring(repo, "model.gguf", token="hf_in")), 1000)
    log = hub.requests()
    checks.check("the CDN was asked", sum(seen["host"] == "cdn" for seen in log), 2)
    checks.check("no token went there", [seen["authorization"] for seen in log if seen["host"] == "cdn"], [None, None])


def main():
    fake, *wick = sys.argv[1:]
    hub = FakeHub(fake, files())
    os.environ["HF_ENDPOINT"] = hub.endpoint
    checks = Checks()
    import hub_both

    try:
        for part in (downloads, trouble, facts, searches, errors):
            part(hub, checks)
        for program in wick:
            hub_both.both(hub, checks, program, HOME)
    finally:
        hub.close()
        shutil.rmtree(HOME)
    print(f"{checks.done} checks, {checks.failed} wrong")
    sys.exit(checks.failed > 0)


if __name__ == "__main__":
    main()
