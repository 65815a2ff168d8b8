/* What the state of the models view makes of Rust's answers, also where they come late or not at all. */
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Judged } from "../src/lib/bindings";
import { showFailuresWith, type Failure } from "../src/lib/errors";
import { NO_QUERY } from "../src/lib/searching";
import { access } from "../src/state/access.svelte";
import { downloads } from "../src/state/downloads.svelte";
import { hub } from "../src/state/hub.svelte";
import { library } from "../src/state/library.svelte";
import { repository } from "../src/state/repository.svelte";
import { download, failure, found, model, repo, verdict } from "./fixtures";

type Call = (...args: never[]) => Promise<unknown>;
const rust = vi.hoisted(() => {
  const named: Record<string, ReturnType<typeof vi.fn<Call>>> = {};
  const commands = new Proxy(named, {
    get: (all, name: string) =>
      (all[name] ??= vi.fn<Call>(() => Promise.resolve({ status: "ok", data: null }))),
  });
  const heard: ((event: { payload: unknown }) => void)[] = [];
  const downloadsChanged = { listen: (take: (typeof heard)[0]) => Promise.resolve(heard.push(take)) };
  return { commands: commands as Record<string, ReturnType<typeof vi.fn<Call>>>, heard, downloadsChanged };
});
vi.mock("../src/lib/bindings", () => ({
  commands: rust.commands,
  events: { downloadsChanged: rust.downloadsChanged },
}));
vi.mock("@tauri-apps/api/core", () => ({
  Channel: class {
    onmessage = () => undefined;
  },
}));

const answer = (name: string) => rust.commands[name]!;
const ok = <T>(data: T) => Promise.resolve({ status: "ok", data });
const refused = (error: Failure) => Promise.resolve({ status: "error", error });
function later<T>() {
  let resolve!: (data: T) => void;
  const promise = new Promise((give) => (resolve = (data) => give({ status: "ok", data })));
  return { promise, resolve };
}
const reported: Failure[] = [];
beforeEach(() => {
  reported.length = 0;
  showFailuresWith((one) => reported.push(one));
});

describe("downloads", () => {
  const take = downloads.take.bind(downloads);
  beforeEach(() => take({ changed: [], order: [] }));

  it("changes one entry and leaves the others the very same", () => {
    take({ changed: [download(1, "fetching"), download(2, "queued")], order: [1, 2] });
    const [two, queue] = [downloads.byId.get(2), downloads.queue];
    take({ changed: [download(1, "fetching", { done_bytes: 9 })], order: [1, 2] });
    expect(downloads.byId.get(1)?.done_bytes).toBe(9);
    expect(downloads.byId.get(2)).toBe(two);
    expect(downloads.queue).toBe(queue);
  });
  it("forgets what is no longer in the order", () => {
    take({ changed: [download(1, "fetching"), download(2, "queued")], order: [1, 2] });
    take({ changed: [], order: [2] });
    expect([...downloads.byId.keys()]).toEqual([2]);
    expect(downloads.queue).toEqual([2]);
  });
  it("divides what has something to do from what is over", () => {
    take({
      changed: [download(1, "complete"), download(2, "queued"), download(3, "fetching")],
      order: [1, 2, 3],
    });
    expect([downloads.queue, downloads.over]).toEqual([[2, 3], [1]]);
  });
  it("says an end once, to the window and to who wants to know", async () => {
    const onComplete = vi.fn();
    const all = { changed: [download(1, "verifying"), download(2, "complete")], order: [1, 2] };
    answer("downloads").mockReturnValueOnce(ok(all) as never);
    await downloads.follow(onComplete);
    expect([downloads.ended, onComplete.mock.calls.length]).toEqual([[], 0]);
    const over = { changed: [download(1, "complete")], order: [1, 2] };
    rust.heard[0]!({ payload: over });
    rust.heard[0]!({ payload: over });
    expect(onComplete).toHaveBeenCalledTimes(1);
    expect(downloads.ended).toEqual([1]);
    downloads.dismiss(1);
    expect(downloads.ended).toEqual([]);
  });
  it("shows a move at once, and the truth after a refusal", async () => {
    const all = [download(1, "queued"), download(2, "queued")];
    take({ changed: all, order: [1, 2] });
    answer("moveDownload").mockReturnValueOnce(refused(failure("busy")) as never);
    answer("downloads").mockReturnValueOnce(ok({ changed: all, order: [1, 2] }) as never);
    const moving = downloads.move(2, 1);
    expect(downloads.queue).toEqual([2, 1]);
    await moving;
    expect(downloads.queue).toEqual([1, 2]);
    expect(reported.map((one) => one.code)).toEqual(["busy"]);
  });
});

describe("the hub", () => {
  const page = (ids: string[], next: string | null = null) => ({ found: ids.map(found), next });
  const ids = () => hub.found.map((one) => one.id);
  beforeEach(() => {
    hub.query = { ...NO_QUERY, text: "qwen" };
    answer("searchHub").mockReset();
  });

  it("adds page after page, each repository once", async () => {
    answer("searchHub").mockReturnValueOnce(ok(page(["a/1", "a/2"], "p2")) as never);
    await hub.search();
    expect([ids(), hub.more]).toEqual([["a/1", "a/2"], true]);
    answer("searchHub").mockReturnValueOnce(ok(page(["a/2", "a/3"])) as never);
    await Promise.all([hub.loadMore(), hub.loadMore()]);
    expect([ids(), hub.more]).toEqual([["a/1", "a/2", "a/3"], false]);
    expect(answer("searchHub").mock.calls.map((call) => call[1])).toEqual([null, "p2"]);
  });
  it("drops an answer to an older question", async () => {
    const slow = later();
    answer("searchHub")
      .mockReturnValueOnce(slow.promise as never)
      .mockReturnValueOnce(ok(page(["b/1"])) as never);
    const first = hub.search();
    await hub.search();
    slow.resolve(page(["a/1"]));
    await first;
    expect(ids()).toEqual(["b/1"]);
    expect(hub.searching).toBe(false);
  });
  it("keeps its failure for its own place", async () => {
    answer("searchHub").mockReturnValueOnce(refused(failure("offline")) as never);
    await hub.search();
    expect(hub.failure?.code).toBe("offline");
    expect(reported).toEqual([]);
  });
  it("asks nothing while nothing is asked for", async () => {
    hub.query = NO_QUERY;
    await hub.search();
    expect(answer("searchHub")).not.toHaveBeenCalled();
    expect(ids()).toEqual([]);
  });
  it("takes nothing of before for an answer while somebody types", () => {
    hub.look({ text: "qwe" });
    expect(hub.searching).toBe(true);
    hub.look({ ...NO_QUERY });
    expect(hub.searching).toBe(false);
  });
  it("waits for fingers to rest, and not for a choice", async () => {
    vi.useFakeTimers();
    answer("searchHub").mockReturnValue(ok(page([])) as never);
    hub.look({ text: "q" });
    hub.look({ text: "qw" });
    expect(answer("searchHub")).not.toHaveBeenCalled();
    await vi.runAllTimersAsync();
    expect(
      answer("searchHub").mock.calls.map((call) => (call[0] as unknown as { text: string }).text),
    ).toEqual(["qw"]);
    hub.look({ format: "gguf" });
    expect(answer("searchHub")).toHaveBeenCalledTimes(2);
    vi.useRealTimers();
  });
});

describe("a repository", () => {
  const [Q4, Q8] = ["m-Q4_K_M.gguf", "m-Q8_0.gguf"];
  type Channel = { onmessage: (judged: Judged) => void };
  const channels: Channel[] = [];
  beforeEach(() => {
    repository.close();
    repository.contextTokens = null;
    channels.length = 0;
    answer("repository")
      .mockReset()
      .mockReturnValue(ok(repo()) as never);
    answer("modelCard")
      .mockReset()
      .mockReturnValue(ok("# Card") as never);
    answer("judge").mockReset();
    answer("judge").mockImplementation(((...args: unknown[]) => {
      channels.push(args[3] as Channel);
      return ok(null);
    }) as never);
    answer("startDownload").mockReset();
  });
  const say = (at: number, judged: Judged) => channels[at]!.onmessage(judged);

  it("chooses what is recommended until the person chooses", async () => {
    await repository.open("ada/m-GGUF");
    expect([repository.card, repository.chosen]).toEqual(["# Card", null]);
    say(0, { type: "verdict", verdict: verdict(Q4) });
    say(0, { type: "recommended", key: Q8 });
    expect(repository.chosen?.key).toBe(Q8);
    repository.pick(Q4);
    say(0, { type: "recommended", key: Q8 });
    expect(repository.chosen?.key).toBe(Q4);
  });
  it("judges anew for another context window and drops what the old one says", async () => {
    await repository.open("ada/m-GGUF");
    say(0, { type: "verdict", verdict: verdict(Q4) });
    expect(repository.fresh.has(Q4)).toBe(true);
    await repository.chooseContext(32_768);
    expect(answer("judge").mock.calls.map((call) => call[2])).toEqual([null, 32_768]);
    expect(repository.fresh.has(Q4)).toBe(false);
    say(0, { type: "verdict", verdict: verdict(Q4, { fit: "too_large" }) });
    expect(repository.verdicts.get(Q4)?.fit).toBe("fits");
  });
  it("drops an answer about the one before", async () => {
    const slow = later();
    answer("repository").mockReturnValueOnce(slow.promise as never);
    const first = repository.open("ada/m-GGUF");
    answer("repository").mockReturnValueOnce(ok(repo({ id: "bob/n" })) as never);
    await repository.open("bob/n");
    slow.resolve(repo());
    await first;
    expect(repository.repo?.id).toBe("bob/n");
  });
  it("keeps a refusal beside the button, and a projector only where one is", async () => {
    await repository.open("ada/m-GGUF");
    expect(await repository.download()).toBeNull();
    expect(answer("startDownload")).not.toHaveBeenCalled();
    repository.pick(Q4);
    answer("startDownload").mockReturnValueOnce(refused(failure("auth_required")) as never);
    expect(await repository.download()).toBeNull();
    expect(repository.refusal?.code).toBe("auth_required");
    answer("startDownload").mockReturnValueOnce(ok(7) as never);
    expect(await repository.download()).toBe(7);
    expect(repository.refusal).toBeNull();
    expect(answer("startDownload").mock.calls.map((call) => call.slice(2))).toEqual([
      [Q4, false],
      [Q4, false],
    ]);
    expect(reported).toEqual([]);
  });
  it("is quiet about a judging that another one ended", async () => {
    answer("judge").mockReturnValueOnce(refused(failure("cancelled")) as never);
    await repository.open("ada/m-GGUF");
    expect(repository.unjudged).toBeNull();
    answer("judge").mockReturnValueOnce(refused(failure("offline")) as never);
    await repository.chooseContext(8192);
    expect(repository.unjudged?.code).toBe("offline");
  });
});

describe("the access token", () => {
  it("goes through once and stays nowhere", async () => {
    answer("setAccessToken").mockReturnValueOnce(ok("ada") as never);
    answer("accessToken").mockReturnValueOnce(ok("from_file") as never);
    expect(await access.save(" hf_secret ")).toEqual({ who: "ada" });
    expect(answer("setAccessToken")).toHaveBeenCalledWith("hf_secret");
    expect(access.token).toBe("from_file");
    expect(JSON.stringify(access)).not.toContain("secret");
  });
  it("says why it was refused, in its own place", async () => {
    answer("setAccessToken").mockReturnValueOnce(refused(failure("auth_required")) as never);
    expect(await access.save("hf_x")).toEqual({ failure: failure("auth_required") });
    expect(reported).toEqual([]);
  });
});

describe("the library", () => {
  const view = (rest = {}) => ({
    ...{
      models: [model("m")],
      left_out: [],
      last_used_ms: { m: 5 },
      newer: { m: "c" },
      folders: [],
      ...rest,
    },
  });
  it("knows the last use and the newer commit of each", async () => {
    answer("library").mockReturnValueOnce(ok(view()) as never);
    await library.refresh();
    expect([library.lastUsed("m"), library.lastUsed("n")]).toEqual([5, null]);
    expect([library.hasNewer("m"), library.hasNewer("n")]).toEqual([true, false]);
  });
  it("follows a check to its end, one at a time", async () => {
    const slow = later();
    answer("verifyModel").mockReturnValueOnce(slow.promise as never);
    const first = library.verify("m");
    await library.verify("m");
    const progress = { done_bytes: 1, total_bytes: 2 };
    const channel = answer("verifyModel").mock.calls[0]![1] as unknown as { onmessage: (p: object) => void };
    channel.onmessage(progress);
    expect(library.checks.get("m")).toEqual({ progress });
    const files = [{ path: "m.gguf", state: { type: "whole" } }];
    slow.resolve(files);
    await first;
    expect(library.checks.get("m")).toEqual({ files });
    channel.onmessage(progress);
    expect(library.checks.get("m")).toEqual({ files });
    expect(answer("verifyModel")).toHaveBeenCalledTimes(1);
  });
  it("takes what it can of several dropped files and says why not the rest", async () => {
    answer("addModel").mockReturnValueOnce(refused(failure("invalid_request")) as never);
    answer("addModel").mockReturnValueOnce(ok(model("n")) as never);
    answer("library").mockReturnValueOnce(ok(view()) as never);
    expect((await library.add(["/a.txt", "/n.gguf"])).map((one) => one.id)).toEqual(["n"]);
    expect(reported.map((one) => one.code)).toEqual(["invalid_request"]);
  });
  it("adds no folder where none was chosen", async () => {
    answer("chooseFolder").mockReturnValueOnce(ok(null) as never);
    await library.addFolder();
    expect(answer("addFolder")).not.toHaveBeenCalled();
  });
});
