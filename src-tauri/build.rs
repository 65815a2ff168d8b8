//! Embeds the page and the capabilities. The commands that a window may call are those that `capabilities/main.json`
//! and `kiosk.json` allow: the list is read from there, so that there is one.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=capabilities");
    let manifest = tauri_build::AppManifest::new().commands(allowed_commands()?);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest))?;
    Ok(())
}

fn allowed_commands() -> Result<&'static [&'static str], Box<dyn Error>> {
    let mut commands = Vec::new();
    for file in ["capabilities/main.json", "capabilities/kiosk.json"] {
        let capability: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
        let permissions = capability["permissions"].as_array();
        let permissions = permissions.ok_or_else(|| format!("{file} has no permissions"))?;
        let allowed = permissions
            .iter()
            .filter_map(|permission| permission.as_str()?.strip_prefix("allow-"))
            .map(|name| &*name.replace('-', "_").leak());
        commands.extend(allowed);
    }
    Ok(commands.leak())
}
