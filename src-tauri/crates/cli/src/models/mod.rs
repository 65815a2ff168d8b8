//! What one does with models beside running them: find, bring, remove, verify.

pub(crate) mod pull;
pub(crate) mod rm;
pub(crate) mod search;
pub(crate) mod verify;

use crate::interrupt::Interrupt;
use crate::session::runtime;
use crate::stop::Stop;
use hub::Hub;
use studio::Paths;

/// The hub, as all of Hugging Face's tools are told of it.
pub(crate) fn hub(paths: &Paths) -> Result<Hub, Stop> {
    let settings = paths.hub.clone().ok_or_else(|| {
        Stop::failed(
            "There is no folder for what Hugging Face's tools share: neither HOME nor HF_HOME is set.",
            "Set HF_HOME to a folder.",
        )
    })?;
    Ok(Hub::new(settings)?)
}

/// Waits for an answer. Ctrl+C ends it.
pub(crate) fn wait<T>(work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    runtime()?.block_on(async {
        let mut interrupt = Interrupt::listen();
        tokio::select! {
            result = work => result,
            () = interrupt.comes() => Err(Stop::Interrupted),
        }
    })
}

/// `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_are_told_apart() {
        let check = |number, expected: &str| assert_eq!(super::count(number), expected);
        check(0, "0");
        check(999, "999");
        check(1000, "1,000");
        check(12_345_678, "12,345,678");
    }
}
