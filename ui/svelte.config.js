export default {
  // Runes everywhere: no file falls back to Svelte 4's implicit reactivity.
  compilerOptions: { runes: true },
};
