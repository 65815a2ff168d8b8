/** The version in package.json, written in by the build. */
declare const __WICK_VERSION__: string;
