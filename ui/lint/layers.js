/* The dependency rule of the UI as an eslint rule: views → state → lib, components → lib, bench → all.
   It looks only at where a file and what it imports lie, never at what is in them.
   Invariant: no view imports another view, no state file another, and only lib/ imports @tauri-apps. */
import path from "node:path";

const MAY_IMPORT = {
  lib: ["lib"],
  components: ["components", "lib"],
  state: ["lib"],
  views: ["views", "state", "components", "lib", "styles"],
  bench: ["bench", "views", "state", "components", "lib", "styles"],
};

/** `src/views/chat/Log.svelte` → { layer: "views", part: "chat" }; null for files outside a layer. */
function placeOf(file) {
  const match = /(?:^|\/)src\/([^/]+)\/([^/]+)/.exec(file.split(path.sep).join("/"));
  return match && match[1] in MAY_IMPORT ? { layer: match[1], part: match[2].replace(/\..*$/, "") } : null;
}

function complaint(from, to, source) {
  if (!MAY_IMPORT[from.layer].includes(to.layer))
    return `${from.layer} may not import ${to.layer} (${source})`;
  if (from.layer === "views" && to.layer === "views" && from.part !== to.part)
    return `a view may not import another view (${source})`;
  if (from.layer === "state" && to.layer === "state")
    return `a state file may not import another (${source})`;
  return null;
}

function check(context, node) {
  const source = node.source?.value;
  const from = placeOf(context.filename);
  if (typeof source !== "string" || !from) return;
  if (source.startsWith("@tauri-apps/") && from.layer !== "lib")
    context.report({ node, message: `only lib/ may import ${source}` });
  if (!source.startsWith(".")) return;
  const to = placeOf(path.resolve(path.dirname(context.filename), source));
  const message = to && complaint(from, to, source);
  if (message) context.report({ node, message });
}

/** @type {import("eslint").Rule.RuleModule} */
export const layers = {
  meta: { type: "problem", schema: [] },
  create: (context) => {
    const visit = (node) => check(context, node);
    return {
      ImportDeclaration: visit,
      ImportExpression: visit,
      ExportNamedDeclaration: visit,
      ExportAllDeclaration: visit,
    };
  },
};
