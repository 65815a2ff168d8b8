//! The one list of commands and events. `ui/src/lib/bindings.ts` is written from it (`make bindings`), and a test fails
//! when that file or the window's capability says otherwise.

use crate::commands::{
    chat, conversations, downloads, hub, kiosk, library, links, models, monitor, startup,
    throughput,
};
use serde::Serialize;
use tauri_specta::{Builder, collect_commands, collect_events};

/// The status changed by what a person could see.
#[derive(Debug, Clone, Serialize, specta::Type, tauri_specta::Event)]
#[serde(transparent)]
pub(crate) struct StatusChanged(pub(crate) studio::Status);

/// Downloads changed, at most ten times a second.
#[derive(Debug, Clone, Serialize, specta::Type, tauri_specta::Event)]
#[serde(transparent)]
pub(crate) struct DownloadsChanged(pub(crate) studio::DownloadList);

/// The guard had a model give way.
#[derive(Debug, Clone, Serialize, specta::Type, tauri_specta::Event)]
#[serde(transparent)]
pub(crate) struct GuardActed(pub(crate) studio::GuardNotice);

/// Something is otherwise in the kiosk.
#[derive(Debug, Clone, Serialize, specta::Type, tauri_specta::Event)]
#[serde(transparent)]
pub(crate) struct KioskChanged(pub(crate) studio::KioskNow);

/// The machine's figures for the kiosk.
#[derive(Debug, Clone, Serialize, specta::Type, tauri_specta::Event)]
#[serde(transparent)]
pub(crate) struct KioskRead(pub(crate) studio::KioskReadings);

/// Everything that a page can call or hear.
pub(crate) fn builder() -> Builder<tauri::Wry> {
    Builder::new()
        // Types that go both ways have one form: none of ours is read otherwise than it is written.
        .disable_serde_phases()
        .commands(collect_commands![
            startup::startup,
            startup::start_beside,
            conversations::conversations,
            conversations::conversation,
            conversations::rename_conversation,
            conversations::delete_conversation,
            conversations::select_message,
            chat::send_message,
            chat::regenerate_message,
            chat::continue_message,
            chat::stop_generation,
            models::admission,
            models::load_model,
            models::unload_model,
            models::memory_settings,
            models::set_memory_settings,
            models::status,
            monitor::timeline,
            monitor::monitor_now,
            monitor::restart_model,
            throughput::throughput_by_model,
            throughput::export_throughput,
            throughput::measure_bandwidth,
            hub::search_hub,
            hub::catalog,
            hub::repository,
            hub::model_card,
            hub::judge,
            hub::access_token,
            hub::set_access_token,
            hub::forget_access_token,
            downloads::start_download,
            downloads::downloads,
            downloads::pause_download,
            downloads::resume_download,
            downloads::cancel_download,
            downloads::move_download,
            downloads::download_settings,
            downloads::set_download_settings,
            library::library,
            library::add_model,
            library::add_folder,
            library::remove_folder,
            library::choose_folder,
            library::removal,
            library::remove_model,
            library::verify_model,
            library::repair_model,
            library::check_for_updates,
            library::update_model,
            links::open_link,
            kiosk::kiosk_view,
            kiosk::kiosk_picture,
            kiosk::kiosk_beat,
            kiosk::kiosk_play,
            kiosk::kiosk_begin,
            kiosk::kiosk_touched,
            kiosk::kiosk_say,
            kiosk::kiosk_stop,
            kiosk::kiosk_choose_model,
            kiosk::kiosk_start_over,
            kiosk::kiosk_try_pin,
            kiosk::kiosk_lock,
            kiosk::kiosk_today,
            kiosk::kiosk_leave,
            kiosk::kiosk_setup,
            kiosk::set_kiosk_pin,
            kiosk::set_kiosk_display,
            kiosk::make_kiosk_folder,
            kiosk::open_kiosk_folder,
            kiosk::kiosk_displays,
            kiosk::flash_displays,
            kiosk::start_kiosk,
            kiosk::kiosk_sessions,
            kiosk::export_kiosk_sessions,
        ])
        .events(collect_events![
            StatusChanged,
            DownloadsChanged,
            GuardActed,
            KioskChanged,
            KioskRead
        ])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    const BINDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ui/src/lib/bindings.ts");
    const CAPABILITIES: [&str; 2] = [
        include_str!("../capabilities/main.json"),
        include_str!("../capabilities/kiosk.json"),
    ];

    fn generated() -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("bindings.ts");
        super::builder()
            .export(specta_typescript::Typescript::default(), &file)
            .expect("every type has a TypeScript form");
        std::fs::read_to_string(file).expect("it was written")
    }

    #[test]
    fn bindings_are_what_the_code_says() {
        let generated = generated();
        if std::env::var_os("WICK_WRITE_BINDINGS").is_some() {
            std::fs::write(Path::new(BINDINGS), &generated).expect("bindings.ts can be written");
        }
        let committed = std::fs::read_to_string(BINDINGS).expect("bindings.ts is there");
        assert!(
            committed == generated,
            "bindings.ts is out of date: run `make bindings`"
        );
    }

    #[test]
    fn the_windows_may_call_exactly_the_commands() {
        let quoted = |text: &str, before: &str| -> BTreeSet<String> {
            let parts = text.split(before).skip(1);
            parts
                .filter_map(|part| Some(part.split_once('"')?.0.to_owned()))
                .collect()
        };
        let commands = quoted(&generated(), "__TAURI_INVOKE(\"");
        let allowed = CAPABILITIES.map(|capability| quoted(capability, "\"allow-"));
        assert!(
            allowed[0].is_disjoint(&allowed[1]),
            "a command is for one window"
        );
        let allowed = allowed.iter().flatten();
        let allowed: BTreeSet<_> = allowed.map(|name| name.replace('-', "_")).collect();
        assert!(commands.contains("send_message"), "{commands:?}");
        assert_eq!(commands, allowed);
    }
}
