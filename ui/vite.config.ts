/* How the window's page is built, and nothing about what it shows.
   Invariant: the page that ships asks for nothing outside its own origin and holds no inline script. */
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import pkg from "./package.json" with { type: "json" };

export default defineConfig(({ mode }) => ({
  plugins: [svelte()],
  define: { __WICK_VERSION__: JSON.stringify(pkg.version) },
  // Svelte's browser build, also under Vitest, so that components can be mounted in jsdom.
  resolve: mode === "test" ? { conditions: ["browser"] } : {},
  build: {
    target: "es2022",
    // The stream bench is a page of its own and never part of what ships. The kiosk's is one too, so that a stranger's page
    // holds nothing of the desk's.
    outDir: mode === "bench" ? "dist-bench" : "dist",
    rollupOptions: { input: mode === "bench" ? "bench.html" : ["index.html", "kiosk.html"] },
    // Inlined fonts would be data: addresses, which the content security policy refuses.
    assetsInlineLimit: 0,
    // Read from the disk beside the program: one chunk starts faster than several.
    chunkSizeWarningLimit: 800,
  },
  server: { strictPort: true },
  test: {
    environment: "jsdom",
    include: ["tests/**/*.test.ts"],
  },
}));
