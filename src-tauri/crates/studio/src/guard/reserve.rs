//! What stays free for the desktop: one number for everybody who asks whether something fits.
//!
//! It reads nothing: the machine's size comes from whoever has read it, what a person has set from the settings.

/// The least that a desktop with a browser wants to go on smoothly, on a machine that has it to give.
const LEAST_BYTES: u64 = 8 << 30;

/// The bytes that no model may take: what a person has set, or else [`usual_reserve_bytes`].
pub(crate) fn reserve_bytes(total_bytes: u64, set_bytes: Option<u64>) -> u64 {
    set_bytes.unwrap_or_else(|| usual_reserve_bytes(total_bytes))
}

/// The larger of 8 GiB and 8 % of the machine, but at most a quarter of it: a machine of 24 GB must be of use too.
pub(crate) fn usual_reserve_bytes(total_bytes: u64) -> u64 {
    LEAST_BYTES.max(total_bytes / 100 * 8).min(total_bytes / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_grows_with_the_machine() {
        const GIB: u64 = 1 << 30;
        let check = |total_bytes: u64, set_bytes, expected: u64| {
            let found = reserve_bytes(total_bytes, set_bytes);
            assert_eq!(found >> 20, expected >> 20, "{total_bytes} {set_bytes:?}");
        };
        check(0, None, 0);
        check(8 * GIB, None, 2 * GIB);
        check(24 * GIB, None, 6 * GIB);
        check(32 * GIB, None, 8 * GIB);
        check(64 * GIB, None, 8 * GIB);
        check(100 * GIB, None, 8 * GIB);
        check(128 * GIB, None, 128 * GIB / 100 * 8);
        check(512 * GIB, None, 512 * GIB / 100 * 8);
        check(128 * GIB, Some(0), 0);
        check(24 * GIB, Some(20 * GIB), 20 * GIB);
    }
}
