//! Hugging Face on loopback: two hosts, the hub (`127.0.0.1`) and its CDN (`localhost`), that speak the protocol as the
//! official clients know it, and misbehave on order.
//!
//! It deliberately keeps nothing on the disk and knows neither uploads nor Xet. Invariant: what no [`Fault`] was ordered for
//! is answered as the real hub answers it, and every request is in the log.
//! Source: `huggingface_hub` 2.4 (`hf_api.py`, `file_download.py`, `utils/_http.py`), hf-hub 1.0.0; `tests/reference/hub.py`
//! checks it against the former.

mod content;
mod door;
mod fault;
mod hash;
mod hub;
mod log;
mod repo;
mod server;

pub use content::Content;
pub use fault::Fault;
pub use hub::FakeHub;
pub use log::{Host, Seen};
pub use repo::{Gated, Repo};
