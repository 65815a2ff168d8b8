//! The programs that were built together with this test.

use std::path::PathBuf;

/// The program `name` of this build.
///
/// # Panics
/// When it was not built: `make test` builds all programs first.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let folder = test.ancestors().nth(2).expect("target/<profile>/deps/test");
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is missing: build it with `cargo build --workspace --features wick-studio/custom-protocol`",
        path.display()
    );
    path
}
