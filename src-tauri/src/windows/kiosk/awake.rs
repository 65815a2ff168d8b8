pub(super) fn hold(_window: &gtk::ApplicationWindow) {}
