/* Things as Rust sends them, for tests to change a part of. No behaviour. */
import type { Download, DownloadState, Found, Model, Repo, Variant, Verdict } from "../src/lib/bindings";
import type { Failure } from "../src/lib/errors";

export const GIB = 2 ** 30;
export const COMMIT = "96af9a3d".repeat(5);

export const failure = (code: Failure["code"], rest: Partial<Failure> = {}): Failure => ({
  ...{ code, message: code, hint: null, link: null },
  ...rest,
});

export const variant = (label: string, size_bytes: number, rest: Partial<Variant> = {}): Variant => {
  const key = rest.key ?? `m-${label}.gguf`;
  const hash = { kind: "sha256", hex: "00" } as const;
  const files = [{ path: key, size_bytes, hash }];
  return { key, label, quantization: label, format: "gguf", files, size_bytes, ...rest };
};

export const repo = (rest: Partial<Repo> = {}): Repo => ({
  ...{ id: "ada/m-GGUF", revision: "main", commit: COMMIT, gate: "open", private: false, licence: "mit" },
  ...{ task: null, parameters: 8e9, last_modified: null, downloads: 1, likes: 1, other_files: 0 },
  ...{ page: "https://example.com/ada/m-GGUF", projectors: [] },
  variants: [variant("Q4_K_M", 4 * GIB), variant("Q8_0", 8 * GIB)],
  ...rest,
});

export const verdict = (key: string, rest: Partial<Verdict> = {}): Verdict => ({
  ...{ key, fit: "fits", reason: "It fits.", context_tokens: 8192, decode_tokens_per_second: 40 },
  ...{ weights_bytes: 4 * GIB, kv_cache_bytes: GIB, scratch_bytes: GIB, total_bytes: 6 * GIB },
  memory_bytes: 16 * GIB,
  ...rest,
});

export const found = (id: string): Found => ({
  ...{ id, task: null, parameters: null, licence: null, gate: "open", formats: ["gguf"] },
  ...{ downloads: 0, likes: 0, last_modified: null },
});

export const download = (
  id: number,
  type: "fetching" | "queued" | "complete" | "starting" | "verifying" | DownloadState,
  rest: Partial<Download> = {},
): Download => ({
  ...{ id, repo: "ada/m-GGUF", revision: "main", commit: COMMIT, label: "Q4_K_M", file_count: 1 },
  ...{ done_bytes: GIB, total_bytes: 4 * GIB, rate_bytes_per_second: null, remaining_ms: null },
  ...{ rates: [], note: null, started_at_ms: 0, model_id: null },
  state: typeof type === "string" ? { type } : type,
  ...rest,
});

export const model = (id: string, rest: Partial<Model> = {}): Model => ({
  ...{ id, name: id, quantization: "Q4_K_M", file_name: `${id}.gguf`, path: `/models/${id}.gguf` },
  ...{ size_bytes: GIB, source: "Hugging Face", format: "gguf", revision: "main", projector: null },
  ...{ repo: "ada/m-GGUF", commit: COMMIT },
  ...rest,
});
