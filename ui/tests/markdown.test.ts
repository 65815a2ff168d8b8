/* The safety of foreign Markdown, as a table: what a model may write, and what must be left of it. */
import { describe, expect, it } from "vitest";
import { hasPictures, renderProse } from "../src/lib/markdown";

function html(source: string, definitions = ""): string {
  const frame = document.createElement("div");
  frame.append(renderProse(source, definitions));
  return frame.innerHTML;
}
function text(source: string): string {
  const frame = document.createElement("div");
  frame.append(renderProse(source));
  return frame.textContent.trim();
}

const HOSTILE: [string, string][] = [
  ["script", "a<script>alert(1)</script>b"],
  ["script in a block", "<script>\nalert(1)\n</script>"],
  ["event attribute", '<b onclick="alert(1)">x</b>'],
  ["onerror", '<img src=x onerror="alert(1)">'],
  ["javascript link", "[x](javascript:alert(1))"],
  ["javascript link, disguised", "[x](java&#10;script:alert(1))"],
  ["javascript link in HTML", '<a href=" javascript:alert(1)">x</a>'],
  ["data link", "[x](data:text/html;base64,PHNjcmlwdD4=)"],
  ["vbscript link", "[x](vbscript:msgbox)"],
  ["file link", "[x](file:///etc/passwd)"],
  ["tauri link", "[x](tauri://localhost/)"],
  ["relative link", "[x](/settings)"],
  ["link without scheme", "[x](//example.com)"],
  ["svg", "<svg onload=alert(1)><script>alert(1)</script></svg>"],
  ["style element", "<style>body{display:none}</style>x"],
  ["style attribute", '<p style="position:fixed;inset:0">x</p>'],
  ["remote picture", "![a cat](https://example.com/cat.png)"],
  ["remote picture in HTML", '<img src="https://example.com/cat.png" alt="a cat">'],
  ["picture set", '<picture><source srcset="https://example.com/a"></picture>'],
  ["frame", '<iframe src="https://example.com"></iframe>'],
  ["form", '<form action="https://example.com"><input name=a><button>go</button></form>'],
  ["object", '<object data="https://example.com"></object><embed src="https://example.com">'],
  ["base and meta", '<base href="https://example.com"><meta http-equiv=refresh content="0;url=//x">'],
  ["nested", '<div><p><math><mtext><style><img src=x onerror="alert(1)"></style></mtext></math></p></div>'],
  ["nested comment", '<!--><img src=x onerror="alert(1)">-->'],
  ["template", "<template><script>alert(1)</script></template>"],
  ["video and audio", '<video src="https://example.com/a" poster="https://example.com/b"></video>'],
  ["id and name", '<p id="app" name="app">x</p>'],
  ["code with HTML", "```html\n<script>alert(1)</script>\n```"],
  ["title of a link", '[x](https://example.com "\\" onmouseover=alert(1)")'],
  ["background of a cell", '<table background="https://example.com/a"><tr><td>x</td></tr></table>'],
  ["unknown element", "<wick-button>x</wick-button>"],
];

describe("hostile Markdown", () => {
  it.each(HOSTILE)("%s leaves nothing that acts or loads", (_name, source) => {
    const frame = document.createElement("div");
    frame.append(renderProse(source));
    for (const node of frame.querySelectorAll("*")) {
      expect(node.tagName.toLowerCase()).toMatch(
        /^(p|br|b|pre|code|span|div|button|a|table|tbody|thead|tr|td|th|em|strong)$/,
      );
      for (const { name } of node.attributes)
        expect(["class", "type", "tabindex", "role", "aria-label", "data-url", "title", "align"]).toContain(
          name,
        );
    }
    expect(frame.querySelector("[href], [src], [style], [id], [srcset]")).toBeNull();
    const url = frame.querySelector("[data-url]")?.getAttribute("data-url") ?? "https://";
    expect(url).toMatch(/^(https?|mailto):/);
  });

  it("does not let the text dress up as a part of the window", () => {
    expect(html('<span class="button primary">Send</span>')).not.toContain("class");
    expect(html('<span data-url="https://example.com" role="link">x</span>')).not.toMatch(/data-url|role/);
  });

  it.each([
    ["quotations", ">".repeat(3000) + " deep"],
    ["lists", "- ".repeat(3000) + "deep"],
    ["emphases", "*".repeat(15000) + "deep" + "*".repeat(15000)],
    ["brackets", "[".repeat(50000) + "deep"],
  ])("shows %s without end as they were written", (_name, source) => {
    expect(renderProse(source).textContent).toContain("deep");
  });

  it("makes pictures their description", () => {
    expect(text("![a <b>cat](https://example.com/cat.png)")).toBe("a <b>cat");
    expect(text('see <img src="x" alt="a dog"> there')).toBe("see a dog there");
  });
});

describe("links", () => {
  const LINKS: [string, string | null][] = [
    ["[x](https://example.com/a?b=c)", "https://example.com/a?b=c"],
    ["[x](http://example.com)", "http://example.com"],
    ["[x](mailto:ada@example.com)", "mailto:ada@example.com"],
    ["https://example.com/bare", "https://example.com/bare"],
    ["[x](https:evil)", null],
    ["[x](ftp://example.com)", null],
    ["[x](#here)", null],
  ];
  it.each(LINKS)("%s → %s", (source, url) => {
    const frame = document.createElement("div");
    frame.append(renderProse(source));
    const link = frame.querySelector("a");
    expect(link?.getAttribute("data-url") ?? null).toBe(url);
    expect(link?.hasAttribute("href") ?? false).toBe(false);
    if (url) expect(link?.getAttribute("tabindex")).toBe("0");
  });

  it("resolves a definition that stands elsewhere in the answer", () => {
    expect(html("see [the notes][n]", "\n[n]: https://example.com/n")).toContain(
      'data-url="https://example.com/n"',
    );
  });
});

describe("what people write", () => {
  const KEPT: [string, string][] = [
    ["**a** *b* `c` ~~d~~", "<p><strong>a</strong> <em>b</em> <code>c</code> <del>d</del></p>"],
    ["- a\n- b", "<ul> <li>a</li> <li>b</li> </ul>"],
    ["3. a", '<ol start="3"> <li>a</li> </ol>'],
    ["a\nb", "<p>a<br>b</p>"],
    ["H<sub>2</sub>O and <kbd>Esc</kbd>", "<p>H<sub>2</sub>O and <kbd>Esc</kbd></p>"],
    ["- [x] done", "<ul> <li>☑ done</li> </ul>"],
  ];
  it.each(KEPT)("%s", (source, expected) => {
    expect(html(source).trim().replace(/\s+/g, " ")).toBe(expected);
  });

  it("puts tables in a frame that scrolls and keeps their alignment", () => {
    const table = html("| a | b |\n|---|--:|\n| 1 | 2 |");
    expect(table).toContain('class="table-frame" tabindex="0"');
    expect(table).toContain('<td align="right">2</td>');
  });

  it("colours code and gives it a button", () => {
    const code = html("- a\n\n  ```rust\n  let x = 1;\n  ```");
    expect(code).toContain('<span class="hljs-keyword">let</span>');
    expect(code).toContain('class="copy-code"');
  });
});

describe("pictures that are left out", () => {
  const table: [string, boolean][] = [
    ["![logo](https://example.com/a.png)", true],
    ["![logo][ref]", true],
    ['a <IMG alt="x" src=y> b', true],
    ["[a link](https://example.com)", false],
    ["what an image! [sic]", false],
    ["", false],
  ];
  it.each(table)("%s → %s", (source, expected) => expect(hasPictures(source)).toBe(expected));
});
