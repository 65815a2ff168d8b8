//! The kiosk: what strangers, their operator and the machine do to a screen that runs itself.

mod displays;
