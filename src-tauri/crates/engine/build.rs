//! Compiles the kernels for GPUs, if the worker is built for them: machine code for H100 and H200 (`sm_90`) and GB10 (`sm_121a`),
//! and PTX, which the driver compiles for every other GPU from Ampere on. Nothing of CUDA is linked: the program has the
//! compiled kernels in itself and asks the driver at run time.

use std::path::{Path, PathBuf};
use std::process::Command;

const ARCHITECTURES: [&str; 3] = [
    "arch=compute_90,code=sm_90",
    "arch=compute_121a,code=sm_121a",
    "arch=compute_80,code=compute_80",
];

fn main() {
    println!("cargo::rerun-if-changed=kernels");
    println!("cargo::rerun-if-env-changed=CUDA_HOME");
    if std::env::var_os("CARGO_FEATURE_CUDA").is_some()
        && let Err(words) = compile()
    {
        println!("cargo::error={words}");
    }
}

fn compile() -> Result<(), String> {
    let out = std::env::var_os("OUT_DIR").ok_or("cargo names no OUT_DIR")?;
    let out = Path::new(&out);
    let mut nvcc = Command::new(nvcc());
    nvcc.args([
        "--fatbin",
        "-std=c++17",
        "-O3",
        "-Werror",
        "all-warnings",
        "-Xptxas",
        "-v",
    ]);
    for architecture in ARCHITECTURES {
        nvcc.args(["-gencode", architecture]);
    }
    nvcc.args(["kernels/kernels.cu", "-o"])
        .arg(out.join("kernels.fatbin"));
    let result = nvcc.output().map_err(|error| {
        format!("nvcc can't be started ({error}): `make cuda` fetches it and builds this worker")
    })?;
    let words = String::from_utf8_lossy(&result.stderr);
    // What each kernel takes of the GPU: registers, spills, shared memory.
    std::fs::write(out.join("kernels.txt"), words.as_bytes()).map_err(|error| error.to_string())?;
    if result.status.success() {
        return Ok(());
    }
    let complaints = words.lines().filter(|line| line.contains("error")).take(5);
    let complaints: Vec<_> = complaints.collect();
    Err(format!(
        "the kernels don't compile: {}",
        complaints.join(" / ")
    ))
}

fn nvcc() -> PathBuf {
    let home = std::env::var_os("CUDA_HOME").filter(|home| !home.is_empty());
    home.map_or_else(|| "nvcc".into(), |home| Path::new(&home).join("bin/nvcc"))
}
