//! Embeds the page and the capabilities. The commands that a window may call are those that `capabilities/main.json`
//! and `kiosk.json` allow: the lists are read from there, so that there is one, and handed to `windows/gate.rs` too.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

const CAPABILITIES: [(&str, &str); 2] = [
    ("DESK_COMMANDS", "capabilities/main.json"),
    ("KIOSK_COMMANDS", "capabilities/kiosk.json"),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=capabilities");
    let mut all = Vec::new();
    let mut lists = String::new();
    for (name, file) in CAPABILITIES {
        let commands = allowed_commands(file)?;
        writeln!(lists, "const {name}: &[&str] = &{commands:?};")?;
        all.extend(commands.into_iter().map(|command| &*command.leak()));
    }
    std::fs::write(
        Path::new(&std::env::var("OUT_DIR")?).join("allowed.rs"),
        lists,
    )?;
    let manifest = tauri_build::AppManifest::new().commands(all.leak());
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest))?;
    Ok(())
}

fn allowed_commands(file: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let capability: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let permissions = capability["permissions"].as_array();
    let permissions = permissions.ok_or_else(|| format!("{file} has no permissions"))?;
    let allowed = permissions
        .iter()
        .filter_map(|permission| permission.as_str()?.strip_prefix("allow-"));
    Ok(allowed.map(|name| name.replace('-', "_")).collect())
}
