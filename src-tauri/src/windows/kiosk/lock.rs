//! No way out by a key, a button, a gesture or a menu of `WebKit`'s.
//!
//! The page has a lock of its own; this one holds also when the page hangs. It knows no visitor and no PIN.
//! *Invariant:* a key that is not in the short list of [`passes`] never reaches the page.

use gtk::gdk::keys::{Key, constants as key};
use gtk::gdk::{EventType, ModifierType};
use gtk::glib::Propagation;
use gtk::prelude::{Cast, WidgetExt};
use webkit2gtk::{
    FileChooserRequestExt, PermissionRequestExt, ScriptDialogType, SettingsExt, WebView, WebViewExt,
};

/// Where K lies on a keyboard, whatever the layout makes of it.
const K_POSITION: u16 = 45;

/// Lets only those keys in that a visitor needs, and the operator's Ctrl+Alt+K.
pub(super) fn keys(window: &gtk::ApplicationWindow) {
    window.connect_key_press_event(|_, event| {
        if passes(event.keyval(), event.hardware_keycode(), event.state()) {
            return Propagation::Proceed;
        }
        tracing::debug!("a key was kept from the page");
        Propagation::Stop
    });
}

/// Whether a key is one that types, edits or moves.
fn passes(pressed: Key, position: u16, held: ModifierType) -> bool {
    let system = ModifierType::MOD4_MASK | ModifierType::SUPER_MASK | ModifierType::HYPER_MASK;
    if held.intersects(system) {
        return false;
    }
    let control = held.contains(ModifierType::CONTROL_MASK);
    match (control, held.contains(ModifierType::MOD1_MASK)) {
        (false, false) => types(pressed) || moves(pressed) || is_modifier(pressed),
        (true, false) => edits_by_words(pressed) || is_modifier(pressed),
        (true, true) => {
            matches!(pressed, key::k | key::K) || position == K_POSITION || is_modifier(pressed)
        }
        (false, true) => is_modifier(pressed),
    }
}

fn types(pressed: Key) -> bool {
    let letter = pressed
        .to_unicode()
        .is_some_and(|letter| !letter.is_control() && letter != '\0');
    // Accents that wait for their letter, and the keys by which East Asian text is composed.
    letter || matches!(*pressed, 0xfe50..=0xfe93 | 0xff20..=0xff3f)
}

fn moves(pressed: Key) -> bool {
    matches!(
        pressed,
        key::Return
            | key::KP_Enter
            | key::ISO_Enter
            | key::Tab
            | key::ISO_Left_Tab
            | key::Escape
            | key::BackSpace
            | key::Delete
            | key::KP_Delete
            | key::Left
            | key::Right
            | key::Up
            | key::Down
            | key::Home
            | key::End
            | key::Page_Up
            | key::Page_Down
            | key::KP_Left
            | key::KP_Right
            | key::KP_Up
            | key::KP_Down
            | key::KP_Home
            | key::KP_End
            | key::KP_Page_Up
            | key::KP_Page_Down
    )
}

fn edits_by_words(pressed: Key) -> bool {
    matches!(
        pressed,
        key::BackSpace
            | key::Delete
            | key::Left
            | key::Right
            | key::Home
            | key::End
            | key::a
            | key::A
            | key::z
            | key::Z
    )
}

/// Shift, Control and the like, which do nothing alone, and the switches between levels and layouts.
fn is_modifier(pressed: Key) -> bool {
    matches!(*pressed, 0xffe1..=0xffea | 0xfe01..=0xfe13 | 0xff7e | 0xff7f)
}

/// Takes from `WebKit` what opens, saves, asks, prints, zooms or goes elsewhere.
pub(super) fn page(page: &WebView) {
    if let Some(settings) = WebViewExt::settings(page) {
        settings.set_enable_developer_extras(false);
        settings.set_enable_back_forward_navigation_gestures(false);
        settings.set_enable_caret_browsing(false);
        settings.set_enable_spatial_navigation(false);
        settings.set_enable_fullscreen(false);
        settings.set_enable_page_cache(false);
        settings.set_enable_html5_database(false);
        settings.set_enable_html5_local_storage(false);
        settings.set_enable_media_stream(false);
        settings.set_javascript_can_open_windows_automatically(false);
        settings.set_javascript_can_access_clipboard(false);
    }
    refuse(page);
    hold_zoom(page);
    pointer(page);
}

fn refuse(page: &WebView) {
    page.connect_context_menu(|_, _, _, _| true);
    page.connect_print(|_, _| true);
    page.connect_enter_fullscreen(|_| true);
    page.connect_show_notification(|_, _| true);
    page.connect_run_color_chooser(|_, _| true);
    page.connect_run_file_chooser(|_, request| {
        request.cancel();
        true
    });
    page.connect_permission_request(|_, request| {
        request.deny();
        true
    });
    page.connect_script_dialog(|_, dialog| {
        // A page that is loaded anew may not be held up by its own question.
        if dialog.dialog_type() == ScriptDialogType::BeforeUnloadConfirm {
            dialog.confirm_set_confirmed(true);
        }
        true
    });
}

fn hold_zoom(page: &WebView) {
    page.connect_zoom_level_notify(|page| {
        if (page.zoom_level() - 1.0).abs() > f64::EPSILON {
            page.set_zoom_level(1.0);
        }
    });
}

/// Only the first button presses anything: the second pastes, the third opens menus, the eighth and ninth go back and forth.
fn pointer(page: &WebView) {
    page.drag_dest_unset();
    let widget: &gtk::Widget = page.upcast_ref();
    widget.connect_event(|_, event| {
        let other_button = event.button().is_some_and(|button| button != 1);
        let gesture = matches!(
            event.event_type(),
            EventType::TouchpadPinch | EventType::TouchpadSwipe
        );
        let zooms = event.event_type() == EventType::Scroll
            && event
                .state()
                .is_some_and(|held| held.contains(ModifierType::CONTROL_MASK));
        if other_button || gesture || zooms {
            return Propagation::Stop;
        }
        Propagation::Proceed
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_types_passes_and_what_leads_out_does_not() {
        let (none, control, alt) = (
            ModifierType::empty(),
            ModifierType::CONTROL_MASK,
            ModifierType::MOD1_MASK,
        );
        let shift = ModifierType::SHIFT_MASK;
        let level3 = ModifierType::MOD5_MASK | ModifierType::MOD2_MASK;
        for (pressed, held, expected) in [
            (key::a, none, true),
            (key::A, shift, true),
            (key::odiaeresis, none, true),
            (key::EuroSign, level3, true),
            (key::dead_acute, none, true),
            (key::KP_7, ModifierType::MOD2_MASK, true),
            (key::space, none, true),
            (key::Return, none, true),
            (key::Return, shift, true),
            (key::BackSpace, none, true),
            (key::Escape, none, true),
            (key::Tab, none, true),
            (key::Left, control, true),
            (key::a, control, true),
            (key::k, control | alt, true),
            (key::F4, alt, false),
            (key::w, control, false),
            (key::q, control, false),
            (key::F11, none, false),
            (key::F12, none, false),
            (key::I, control | shift, false),
            (key::Left, alt, false),
            (key::Right, alt, false),
            (key::F5, none, false),
            (key::r, control, false),
            (key::p, control, false),
            (key::o, control, false),
            (key::s, control, false),
            (key::plus, control, false),
            (key::minus, control, false),
            (key::_0, control, false),
            (key::c, control, false),
            (key::v, control, false),
            (key::Insert, shift, false),
            (key::F7, none, false),
            (key::F10, shift, false),
            (key::Menu, none, false),
            (key::Print, none, false),
            (key::Tab, alt, false),
            (key::Tab, control, false),
            (key::Super_L, none, false),
            (key::l, ModifierType::MOD4_MASK, false),
            (key::u, control | shift, false),
            (key::period, control, false),
            (key::Delete, control | alt, false),
            (key::F1, control | alt, false),
            (key::Back, none, false),
            (key::HomePage, none, false),
        ] {
            assert_eq!(passes(pressed, 0, held), expected, "{pressed:?} {held:?}");
        }
        let greek = passes(key::Greek_kappa, K_POSITION, control | alt);
        assert!(greek, "the operator's key where the layout has no K");
    }
}
