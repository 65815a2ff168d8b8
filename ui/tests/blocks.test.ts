/* Block splitting: where blocks end, and that no cut of the stream changes it. */
import { describe, expect, it } from "vitest";
import { BlockSplitter, type Block } from "../src/lib/blocks";
import { pieces } from "../src/bench/sample";

const split = (text: string) => new BlockSplitter().update(text, true);
const shape = (blocks: Block[]) =>
  blocks.map((block) =>
    block.kind === "code" ? `code(${block.language}): ${block.code}` : block.source.trim(),
  );

const ANSWERS: [string, string, string[]][] = [
  ["paragraphs", "a\nb\n\nc", ["a\nb", "c"]],
  ["many blank lines", "a\n\n\n\nb\n", ["a", "b"]],
  ["code", "a\n```rs\nlet x;\n\nlet y;\n```\nb", ["a", "code(rs): let x;\n\nlet y;", "b"]],
  ["code that never ends", "```py\nx = 1\n", ["code(py): x = 1"]],
  ["empty code", "```\n```\nx", ["code(): ", "x"]],
  ["code that begins with a blank line", "```\n\nx\n```", ["code(): \nx"]],
  ["longer fences", "````md\n```\nx\n```\n````", ["code(md): ```\nx\n```"]],
  ["tildes", "~~~\na\n```\n~~~", ["code(): a\n```"]],
  ["indented fence", "  ```js\n  a\n    b\n  ```", ["code(js): a\n  b"]],
  ["inline backticks are no fence", "```not a fence``` x", ["```not a fence``` x"]],
  ["a list with blank lines", "- a\n\n- b\n\nc", ["- a\n\n- b", "c"]],
  ["a list with paragraphs", "1. a\n\n   more\n\n2. b", ["1. a\n\n   more\n\n2. b"]],
  [
    "code in a list",
    "1. a\n\n   ```sh\n   x\n\n   y\n   ```\n2. b",
    ["1. a\n\n   ```sh\n   x\n\n   y\n   ```\n2. b"],
  ],
  ["code after a list", "- a\n```sh\nx\n```", ["- a", "code(sh): x"]],
  ["a list right under a paragraph", "a:\n- b\n\n- c", ["a:\n- b\n\n- c"]],
  ["table", "| a |\n|---|\n| b |\n\nc", ["| a |\n|---|\n| b |", "c"]],
  ["CRLF", "a\r\n\r\nb\r\n", ["a", "b"]],
  ["nothing", "", []],
  ["only blank lines", "\n\n", []],
];

describe("where blocks end", () => {
  it.each(ANSWERS)("%s", (_name, text, expected) => {
    expect(shape(split(text).blocks)).toEqual(expected);
  });
});

const CORPUS = [
  ...ANSWERS.map(([, text]) => text),
  pieces(700).join(""),
  "see [x][n]\n\n[n]: https://e.org\n",
];

/** A generator of numbers that is the same in every run. */
function numbers(seed: number): () => number {
  return () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
}

describe("any cut of a stream", () => {
  it("gives the same final blocks", () => {
    const next = numbers(7);
    for (const text of CORPUS)
      for (let round = 0; round < 20; round++) {
        const splitter = new BlockSplitter();
        for (let end = 0; end < text.length; end += 1 + Math.floor(next() * 9))
          splitter.update(text.slice(0, end), false);
        expect(splitter.update(text, true)).toEqual(split(text));
      }
  });

  it("never touches a finished block again", () => {
    const text = pieces(700).join("");
    const splitter = new BlockSplitter();
    let before: Block[] = [];
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", end + 1)) {
      const { blocks } = splitter.update(text.slice(0, end + 1), false);
      // The last one may be open still; those before it stay the same objects.
      before.slice(0, -1).forEach((block, index) => expect(blocks[index]).toBe(block));
      before = blocks;
    }
    expect(before.length).toBeGreaterThan(10);
  });

  it("starts over when the text is another", () => {
    const splitter = new BlockSplitter();
    splitter.update("a\n\nb\n\n", false);
    expect(shape(splitter.update("c\n\nd", true).blocks)).toEqual(["c", "d"]);
  });

  it("gathers link definitions wherever they stand", () => {
    expect(split("[n]: https://e.org\n\nsee [x][n]").definitions).toContain("[n]: https://e.org");
    expect(split("see [x][n]\n\n[n]: https://e.org").definitions).toContain("[n]: https://e.org");
  });
});
