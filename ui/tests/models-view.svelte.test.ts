/* What a person sees and does in the models view: its components, mounted over the real state. Layout is not tested here. */
import { flushSync, mount, tick, unmount } from "svelte";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import TokenField from "../src/components/TokenField.svelte";
import Tabs from "../src/components/Tabs.svelte";
import { downloads } from "../src/state/downloads.svelte";
import { hub } from "../src/state/hub.svelte";
import { library } from "../src/state/library.svelte";
import { repository } from "../src/state/repository.svelte";
import { NO_QUERY } from "../src/lib/searching";
import Ended from "../src/views/frame/Ended.svelte";
import Rail from "../src/views/frame/Rail.svelte";
import ResultList from "../src/views/models/discover/ResultList.svelte";
import Downloads from "../src/views/models/downloads/Downloads.svelte";
import CheckResult from "../src/views/models/library/CheckResult.svelte";
import DeleteModel from "../src/views/models/library/DeleteModel.svelte";
import Repository from "../src/views/models/repository/Repository.svelte";
import { download, failure, found, GIB, model, repo, variant, verdict } from "./fixtures";

const rust = vi.hoisted(() => {
  const named: Record<string, ReturnType<typeof vi.fn>> = {};
  const make = () =>
    vi.fn<(...args: unknown[]) => Promise<unknown>>(() => Promise.resolve({ status: "ok", data: null }));
  return new Proxy(named, { get: (all, name: string) => (all[name] ??= make()) });
});
vi.mock("../src/lib/bindings", () => ({ commands: rust, events: {} }));
vi.mock("@tauri-apps/api/core", () => ({ Channel: class {} }));
// jsdom has neither.
HTMLDialogElement.prototype.showModal = function () {
  this.open = true;
};
globalThis.IntersectionObserver = class {
  observe() {}
  unobserve() {}
  disconnect() {}
} as unknown as typeof IntersectionObserver;

const mounted: Record<string, unknown>[] = [];
function show<P extends Record<string, unknown>>(component: unknown, props: P): HTMLElement {
  document.body.innerHTML = "";
  mounted.push(mount(component as Parameters<typeof mount>[0], { target: document.body, props }));
  flushSync();
  return document.body;
}
afterEach(() => {
  for (const view of mounted.splice(0)) void unmount(view);
});
const all = (id: string) => [...document.querySelectorAll<HTMLElement>(`[data-testid=${id}]`)];
const find = (id: string) => all(id)[0] as HTMLButtonElement | undefined;
const click = (element: HTMLElement | undefined) => {
  element!.click();
  flushSync();
};
const ok = (data: unknown) => Promise.resolve({ status: "ok", data });

describe("the queue", () => {
  const three = () => [download(1, "fetching"), download(2, "queued"), download(3, "queued")];
  beforeEach(() => {
    downloads.take({ changed: [], order: [] });
    downloads.take({ changed: three(), order: [1, 2, 3] });
  });

  it("draws only the row that changed", async () => {
    const page = show(Downloads, {});
    const touched = new Set<string>();
    const observer = new MutationObserver((records) => {
      for (const { target } of records) {
        const at = target instanceof Element ? target : target.parentElement;
        touched.add(at?.closest<HTMLElement>("[data-testid=download-row]")?.dataset.id ?? "outside");
      }
    });
    observer.observe(page, { subtree: true, childList: true, characterData: true, attributes: true });
    downloads.take({ changed: [download(1, "fetching", { done_bytes: 2 * GIB })], order: [1, 2, 3] });
    flushSync();
    await tick();
    observer.disconnect();
    expect([...touched]).toEqual(["1"]);
    expect(all("download-row")[0]!.textContent).toContain("50 %");
  });
  it("moves a row by its buttons, and not beyond the ends", () => {
    show(Downloads, {});
    expect((all("move-up")[0] as HTMLButtonElement).disabled).toBe(true);
    click(all("move-up")[2]);
    expect(rust.moveDownload).toHaveBeenLastCalledWith(3, 2);
    expect(all("download-row").map((row) => row.dataset.id)).toEqual(["1", "3", "2"]);
    expect((all("move-down")[2] as HTMLButtonElement).disabled).toBe(true);
  });
  it("says what is in the way, with both hashes, and how it goes on", () => {
    const message = "x.gguf is damaged: its hash should be aa and is bb.";
    const states = [
      { type: "failed", error: failure("checksum_mismatch", { message, hint: "Try again later." }) },
      { type: "waiting", reason: "The network is gone.", retry_in_ms: 12_000 },
      { type: "outside_hours", from_minute: 1320 },
    ] as const;
    downloads.take({ changed: states.map((state, index) => download(index + 1, state)), order: [1, 2, 3] });
    const text = show(Downloads, {}).textContent.replace(/\s+/g, " ");
    expect(text).toContain(`${message} Try again later.`);
    expect(text).toContain("The network is gone. It is tried again in 12 s.");
    expect(text).toContain("Waits until 22:00");
    expect(text).toContain("2 waiting, 1 failed");
    click(find("retry"));
    expect(rust.resumeDownload).toHaveBeenCalledWith(1);
  });
  it("asks before what has come is thrown away", () => {
    downloads.take({ changed: [download(2, "queued", { done_bytes: 0 })], order: [1, 2, 3] });
    show(Downloads, {});
    click(all("cancel")[0]);
    expect(find("cancel-dialog")!.textContent).toContain("1.0 GiB");
    expect(rust.cancelDownload).not.toHaveBeenCalled();
    click(find("confirm-cancel"));
    expect(rust.cancelDownload).toHaveBeenLastCalledWith(1);
    click(all("cancel")[1]);
    expect(find("cancel-dialog")).toBeUndefined();
    expect(rust.cancelDownload).toHaveBeenLastCalledWith(2);
  });
  it("has a word for an end, with the model to load", () => {
    downloads.take({ changed: [download(1, "complete", { model_id: "m" })], order: [1, 2, 3] });
    const page = show(Ended, {});
    expect(page.textContent).toContain("m-GGUF Q4_K_M is here.");
    expect(page.querySelector("[aria-live=polite]")).not.toBeNull();
    click([...page.querySelectorAll("button")].find((one) => one.textContent.trim() === "Load"));
    expect(rust.loadModel).toHaveBeenCalledWith("m", null);
    expect(find("download-ended")).toBeUndefined();
  });
});

describe("a repository", () => {
  const state = repository as unknown as { repo: unknown; id: string };
  beforeEach(() => {
    repository.close();
    downloads.take({ changed: [], order: [] });
    rust.repository!.mockImplementation(() => ok(repo()));
    rust.startDownload!.mockReset().mockImplementation(() => ok(1));
  });

  it("shows the recommended variant with its figures and brings it", async () => {
    await repository.open("ada/m-GGUF");
    repository.verdicts.set("m-Q8_0.gguf", verdict("m-Q8_0.gguf", { fit: "tight", reason: "It is close." }));
    repository.recommended = "m-Q8_0.gguf";
    show(Repository, {});
    expect(all("variant").map((row) => [row.dataset.key, row.dataset.fit])).toEqual([
      ["m-Q8_0.gguf", "tight"],
      ["m-Q4_K_M.gguf", undefined],
    ]);
    expect(all("variant")[0]!.textContent).toContain("recommended");
    expect(document.querySelector<HTMLInputElement>("input[type=radio]:checked")?.value).toBe("m-Q8_0.gguf");
    const words = find("verdict")!.textContent.replace(/\s+/g, " ");
    expect(words).toContain("tight It is close.");
    expect(words).toContain("KV cache 1.0 GiB");
    expect(words).toContain("Free for a model now 16.0 GiB");
    expect(find("download")!.textContent.trim()).toBe("Download Q8_0");
    click(find("download"));
    expect(rust.startDownload).toHaveBeenCalledWith("ada/m-GGUF", repo().commit, "m-Q8_0.gguf", false);
  });
  it("offers the projector and lets it be left", async () => {
    const projectors = variant("x", GIB, { key: "mmproj-f16.gguf" }).files;
    rust.repository!.mockImplementation(() => ok(repo({ projectors })));
    await repository.open("ada/m-GGUF");
    repository.pick("m-Q4_K_M.gguf");
    show(Repository, {});
    expect(find("bring")!.textContent).toContain("mmproj-f16.gguf");
    click(find("with-projector"));
    click(find("download"));
    expect(rust.startDownload!.mock.calls[0]![3]).toBe(false);
    repository.withProjector = true;
  });
  it("says how far a variant is that is on its way", async () => {
    downloads.take({ changed: [download(1, "fetching")], order: [1] });
    await repository.open("ada/m-GGUF");
    repository.pick("m-Q4_K_M.gguf");
    show(Repository, {});
    expect(find("bring")!.textContent.replace(/\s+/g, " ")).toContain("Downloading 25 %");
    expect(find("download")).toBeUndefined();
  });
  it("says where a variant is that is here already", async () => {
    rust.library!.mockImplementation(() =>
      ok({ models: [model("m-Q4_K_M")], left_out: [], last_used_ms: {}, newer: {}, folders: [] }),
    );
    await library.refresh();
    await repository.open("ada/m-GGUF");
    repository.pick("m-Q4_K_M.gguf");
    show(Repository, {});
    expect(find("download")).toBeUndefined();
    expect(find("load-here")).toBeDefined();
  });
  it("offers the page and a field for the token where it is not let in, and tries again with it", async () => {
    const link = "https://example.com/licence";
    rust.repository!.mockImplementationOnce(() =>
      Promise.resolve({ status: "error", error: failure("auth_required", { link }) }),
    );
    await repository.open("ada/m-GGUF");
    show(Repository, {});
    click(find("open-link"));
    expect(rust.openLink).toHaveBeenLastCalledWith(link);
    const field = find("token") as unknown as HTMLInputElement;
    expect(field.type).toBe("password");
    field.value = "hf_secret";
    rust.setAccessToken!.mockImplementationOnce(() => ok("ada"));
    document.querySelector<HTMLFormElement>("[data-testid=token-form]")!.requestSubmit();
    expect(field.value).toBe("");
    await vi.waitFor(() => expect(state.repo).not.toBeNull());
    expect(rust.setAccessToken).toHaveBeenCalledWith("hf_secret");
    expect(document.body.innerHTML).not.toContain("hf_secret");
  });
  it("leaves the card's pictures out and offers the page that has them", async () => {
    rust.modelCard!.mockImplementationOnce(() => ok("Hello ![logo](https://example.com/a.png) <img src=x>"));
    await repository.open("ada/m-GGUF");
    show(Repository, {});
    expect(find("card")!.textContent).toContain("Hello logo");
    expect(find("card")!.querySelector("img")).toBeNull();
    click(find("card-pictures"));
    expect(rust.openLink).toHaveBeenLastCalledWith(repo().page);
  });
  it("stays short with ten thousand variants", async () => {
    const variants = Array.from({ length: 10_000 }, (_, index) =>
      variant("Q8_0", index, { key: `${index}.gguf` }),
    );
    rust.repository!.mockImplementationOnce(() => ok(repo({ variants })));
    await repository.open("ada/m-GGUF");
    show(Repository, {});
    expect(all("variant")).toHaveLength(60);
    click(find("more-variants"));
    expect(all("variant")).toHaveLength(120);
  });
});

describe("the list", () => {
  const entry = {
    ...{ repo: "ada/chat", purpose: "chat" as const, about: "Talks", parameters: 8e9 },
    ...{ quantization: "Q8_0", machine_gb: 64 },
  };
  beforeEach(() => {
    repository.close();
    hub.catalog = [entry];
    hub.found = [];
    hub.failure = null;
    hub.query = NO_QUERY;
  });

  it("is the catalog before a search, and without the hub", () => {
    show(ResultList, {});
    expect(all("catalog-row").map((row) => row.dataset.id)).toEqual(["ada/chat"]);
    hub.query = { ...NO_QUERY, text: "ada" };
    hub.found = [found("bob/other")];
    flushSync();
    expect([all("catalog-row").length, all("result-row").length]).toEqual([0, 1]);
    hub.found = [];
    hub.failure = failure("offline", { message: "The hub can't be reached." });
    flushSync();
    expect(find("hub-failure")!.textContent).toContain("The hub can't be reached.");
    expect(all("catalog-row")).toHaveLength(1);
  });
  it("says what is gated, and opens what is named outright", () => {
    hub.query = { ...NO_QUERY, text: "carol/secret" };
    hub.found = [{ ...found("bob/other"), gate: "manual", licence: "llama3.3", downloads: 1_240_033 }];
    show(ResultList, {});
    const text = find("result-row")!.textContent.replace(/\s+/g, " ");
    for (const words of ["other", "gated", "bob · Llama3.3 · GGUF", "1.2M"]) expect(text).toContain(words);
    click(find("open-named"));
    expect(rust.repository).toHaveBeenLastCalledWith("carol/secret", null);
  });
});

describe("the library", () => {
  it("says exactly what a deletion frees and what stays", async () => {
    const kept = [{ path: "config.json", because: "another commit uses it" }];
    const files = ["/a/m.gguf", "/a/link"].map((path) => ({ path, freed_bytes: 0 }));
    const removal = { model: "m", files, freed_bytes: 3 * GIB, kept };
    const onclose = vi.fn();
    show(DeleteModel, { model: model("m"), removal, onclose });
    const text = find("delete-model")!.textContent.replace(/\s+/g, " ");
    for (const words of ["This frees 3.0 GiB", "2 files go", "config.json another commit uses it"])
      expect(text).toContain(words);
    expect(rust.removeModel).not.toHaveBeenCalled();
    click(find("confirm-delete-model"));
    expect(rust.removeModel).toHaveBeenCalledWith("m");
    await vi.waitFor(() => expect(onclose).toHaveBeenCalled());
  });
  it("offers no deletion where nothing may be deleted", () => {
    const removal = {
      model: "m",
      files: [],
      freed_bytes: 0,
      kept: [{ path: "m", because: "it is Ollama's" }],
    };
    show(DeleteModel, { model: model("m"), removal, onclose: () => undefined });
    expect(find("confirm-delete-model")).toBeUndefined();
    expect(find("kept")!.textContent).toContain("it is Ollama's");
  });
  it("tells damage with both hashes and offers to repair", () => {
    const hash = (hex: string) => ({ kind: "sha256" as const, hex });
    const damaged = { kind: "damaged" as const, expected: hash("aa"), found: hash("bb") };
    library.checks.set("m", {
      files: [
        { path: "/m/m.gguf", name: "m.gguf", state: damaged },
        { path: "/m/c.json", name: "c.json", state: { kind: "whole" } },
      ],
    });
    show(CheckResult, { model: model("m") });
    const text = find("check")!.textContent.replace(/\s+/g, " ");
    expect(text).toContain("1 file is not what the hub has.");
    expect(text).toContain("m.gguf should be aa and is bb");
    click(find("repair-now"));
    expect(rust.repairModel).toHaveBeenCalledWith("m");
  });
  const whole: [("whole" | "unknown")[], RegExp][] = [
    [["whole", "whole"], /2 files are whole\./],
    [["whole", "unknown"], /1 file is whole\. For 1 there is no hash/],
    [["unknown"], /no hash to compare it with/],
  ];
  it.each(whole)("says that %j is well, as far as it is known", (types, expected) => {
    library.checks.set("m", {
      files: types.map((type, index) => ({ path: `${index}`, name: `${index}`, state: { kind: type } })),
    });
    show(CheckResult, { model: model("m") });
    expect(find("check")!.textContent).toMatch(expected);
    expect(find("repair-now")).toBeUndefined();
  });
});

describe("the rail", () => {
  it("says while something comes, whatever is looked at", () => {
    downloads.take({ changed: [download(1, "fetching"), download(2, "queued")], order: [1, 2] });
    const page = show(Rail, {});
    expect(find("rail-models")!.textContent.replace(/\s+/g, " ")).toContain("1 download running");
    downloads.take({ changed: [download(1, "complete")], order: [1, 2] });
    flushSync();
    expect(page.textContent).not.toContain("running");
  });
});

describe("the field for the access token", () => {
  it("is emptied also where the token was refused", async () => {
    const save = vi.fn(() =>
      Promise.resolve({ failure: failure("auth_required", { message: "Not known." }) }),
    );
    const page = show(TokenField, { save });
    const field = find("token") as unknown as HTMLInputElement;
    field.value = " hf_x ";
    page.querySelector("form")!.requestSubmit();
    await vi.waitFor(() => expect(page.textContent).toContain("Not known."));
    expect(save).toHaveBeenCalledWith("hf_x");
    expect(field.value).toBe("");
  });
});

describe("tabs", () => {
  it("are walked with the arrows, round the ends", () => {
    const onchoose = vi.fn();
    const tabs = [
      { key: "a", name: "A" },
      { key: "b", name: "B" },
    ];
    const page = show(Tabs, { label: "x", panel: "p", tabs, current: "a", onchoose });
    const press = (key: string) =>
      page
        .querySelector("[role=tablist]")!
        .dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    for (const key of ["ArrowLeft", "ArrowRight", "Home", "End", "x"]) press(key);
    expect(onchoose.mock.calls.flat()).toEqual(["b", "b", "a", "b"]);
    expect([...page.querySelectorAll("button")].map((one) => one.tabIndex)).toEqual([0, -1]);
  });
});
