//! What several tests need, and nothing that is a test.

pub mod kiosk;
pub mod programs;
pub mod soak;
pub mod tiny;
pub mod window;

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// The starter model.
///
/// # Panics
/// When it was not fetched: `make test` does that first.
pub fn starter_model() -> PathBuf {
    let path = root().join("models/SmolLM2-135M-Instruct.Q4_1.gguf");
    assert!(
        path.is_file(),
        "{} is missing: `make test` fetches it",
        path.display()
    );
    path
}
