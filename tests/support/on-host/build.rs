//! Compiles the kernels and the machine that runs them (`kernels/on-host/`) with the C++ compiler that is there.

use std::path::Path;

fn main() {
    let kernels = Path::new("../../../src-tauri/crates/engine/kernels");
    println!("cargo::rerun-if-changed={}", kernels.display());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(2)
        // Sums are those that stand there: nothing is fused, so that results are the same on every processor.
        .flag("-ffp-contract=off")
        .flag("-Wall")
        .flag("-Wextra")
        .flag("-Wno-unknown-pragmas")
        .warnings_into_errors(true)
        .file(kernels.join("on-host/all.cpp"))
        .compile("on_host");
}
