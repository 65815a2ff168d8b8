//! Links in answers. A model may write any address; only web pages open, and only outside.

use studio::Error;
use tauri::Url;

/// Opens a web page in the person's own browser.
#[tauri::command]
#[specta::specta]
pub(crate) async fn open_link(url: String) -> Result<(), Error> {
    let page = web_page(&url)?;
    tauri::async_runtime::spawn_blocking(move || open::that_detached(page.as_str()))
        .await
        .map_err(|error| error.to_string())
        .and_then(|opened| opened.map_err(|error| error.to_string()))
        .map_err(|reason| {
            Error::internal(format!("No browser could be opened: {reason}."))
                .hint("Copy the link instead.")
        })
}

fn web_page(url: &str) -> Result<Url, Error> {
    let page = Url::parse(url).ok();
    let page = page.filter(|page| matches!(page.scheme(), "http" | "https"));
    page.ok_or_else(|| Error::invalid("Only links to web pages can be opened."))
}

#[cfg(test)]
mod tests {
    use super::web_page;

    #[test]
    fn only_web_pages_open() {
        for url in ["https://example.org/a?b#c", "http://127.0.0.1:8080/"] {
            assert!(web_page(url).is_ok(), "{url}");
        }
        for url in [
            "",
            "x",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "ftp://a/b",
            "--help",
            "data:text/html,x",
            "HTTPS",
        ] {
            assert!(web_page(url).is_err(), "{url}");
        }
    }
}
