/* Which mistakes the linter stops. Formatting is Prettier's alone. */
import svelte from "eslint-plugin-svelte";
import ts from "typescript-eslint";
import { layers } from "./lint/layers.js";
import svelteConfig from "./svelte.config.js";

export default ts.config(
  // bindings.ts is generated from Rust: its style is not ours.
  { ignores: ["dist/", "dist-bench/", "src/lib/bindings.ts"] },
  ...ts.configs.recommended,
  ...svelte.configs.recommended,
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: [".svelte"], svelteConfig } },
  },
  {
    files: ["src/**/*.ts", "src/**/*.svelte"],
    plugins: { wick: { rules: { layers } } },
    rules: {
      "wick/layers": "error",
      eqeqeq: "error",
      "no-console": "error",
      "no-eval": "error",
      "svelte/no-at-html-tags": "error",
      "max-lines": ["error", { max: 220, skipBlankLines: true }],
    },
  },
);
