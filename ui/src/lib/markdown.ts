/* Markdown of an answer to a piece of the page that can do nothing: marked, then DOMPurify with a short list.
   A model's text is foreign text: no script, style, form, frame, image or address but http, https and mailto survives.
   Invariant: no element has href, src, style, id or an event attribute; a link is a data-url that links.ts follows. */
import DOMPurify from "dompurify";
import { Marked, type Tokens } from "marked";
import { highlighted } from "./highlight";

const TAGS = [
  ...["p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code", "span", "a"],
  ...["ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"],
  ...["strong", "em", "b", "i", "u", "s", "del", "ins", "mark", "sub", "sup", "kbd", "small", "#text"],
];
const SAFE_URL = /^(?:https?:\/\/[^\s/]|mailto:[^\s@]+@)/i;
const CODE_CLASS = /^(?:hljs(?:-[\w-]+)?|language-[\w+#-]+|[\w-]+_)$/;

const escapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text: string): string => text.replace(/[&<>"]/g, (sign) => escapes[sign] ?? sign);

const marked = new Marked({
  gfm: true,
  breaks: true,
  async: false,
  renderer: {
    // Nothing remote may load, so a picture is its description.
    image: ({ text }: Tokens.Image) => escaped(text),
    html: ({ text }: Tokens.HTML | Tokens.Tag) => text.replace(/<img\b[^>]*>/gi, descriptionOf),
    checkbox: ({ checked }: Tokens.Checkbox) => (checked ? "☑ " : "☐ "),
    code: ({ text, lang }: Tokens.Code) => {
      const language = (lang ?? "").trim().split(/\s/)[0]?.toLowerCase() ?? "";
      return `<pre><code class="hljs">${highlighted(text, language) ?? escaped(text)}</code></pre>`;
    },
  },
});

function descriptionOf(tag: string): string {
  const alt = /\balt\s*=\s*(?:"([^"]*)"|'([^']*)')/i.exec(tag);
  return escaped(alt?.[1] ?? alt?.[2] ?? "");
}

/** Whether a text has pictures, which are left out of it. */
export function hasPictures(source: string): boolean {
  return /!\[[^\]]*\][([]|<img\b/i.test(source);
}

const purify = DOMPurify(window);

purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A") linkWithoutHref(node);
  const kept = (node.getAttribute("class") ?? "").split(/\s+/).filter((name) => CODE_CLASS.test(name));
  // Classes are the page's own words; foreign text may not dress itself up as a part of the window.
  if (kept.length > 0 && node.closest("pre")) node.setAttribute("class", kept.join(" "));
  else node.removeAttribute("class");
});

/** The address moves where no click, middle click, drag or context menu can follow it by itself. */
function linkWithoutHref(node: Element): void {
  const url = node.getAttribute("href") ?? "";
  node.removeAttribute("href");
  if (!SAFE_URL.test(url)) return;
  node.setAttribute("data-url", url);
  node.setAttribute("title", url);
  node.setAttribute("role", "link");
  node.setAttribute("tabindex", "0");
}

/** A block of Markdown as a fragment that is safe to put into the page. `definitions` are link definitions that
    stand elsewhere in the same answer. */
export function renderProse(source: string, definitions = ""): DocumentFragment {
  if (TOO_DEEP.test(source)) return plain(source);
  try {
    return rendered(source, definitions);
  } catch {
    // The parser is recursive and may run out of stack: what was written is shown all the same.
    return plain(source);
  }
}

/* A model that repeats itself can nest a hundred quotations or open a thousand emphases; parsing that takes the stack
   or the memory. */
const TOO_DEEP = /^(?:[ \t]*(?:>|[-*+]|\d{1,9}[.)])){100}|[*_~]{500}/m;

function plain(source: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  const paragraph = document.createElement("p");
  paragraph.style.whiteSpace = "pre-wrap";
  paragraph.textContent = source;
  fragment.append(paragraph);
  return fragment;
}

function rendered(source: string, definitions: string): DocumentFragment {
  const whole = definitions && source.includes("[") ? `${source}\n\n${definitions}` : source;
  const fragment = purify.sanitize(marked.parse(whole) as string, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ["href", "class", "align", "start", "colspan", "rowspan"],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
  for (const table of fragment.querySelectorAll("table")) scrollable(table);
  for (const code of fragment.querySelectorAll("pre")) copyable(code);
  return fragment;
}

/** A wide table scrolls in itself, by keyboard too, and never widens the column. */
function scrollable(table: Element): void {
  const frame = document.createElement("div");
  frame.className = "table-frame";
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", "Table");
  table.replaceWith(frame);
  frame.append(table);
}

/** Code within a list or a quotation gets its button here; top-level code is CodeBlock.svelte. */
function copyable(code: Element): void {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy-code";
  button.textContent = "Copy";
  const frame = document.createElement("div");
  frame.className = "code-frame";
  code.replaceWith(frame);
  frame.append(code, button);
}
