//! Numbers with units, for people.

const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

/// `93.8 MiB`. Below 1 KiB as they are.
pub(crate) fn bytes(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut scaled = as_f64(bytes) / 1024.0;
    let mut unit = 0;
    // What would be shown as 1024.0 of one unit is 1.0 of the next.
    while scaled >= 1023.95 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{scaled:.1} {}", UNITS[unit])
}

/// Bytes as GiB without the unit, one decimal, as the strip above Wick's window has them.
pub(crate) fn gib(bytes: u64) -> String {
    format!("{:.1}", as_f64(bytes) / as_f64(1 << 30))
}

/// `83 ms`, `1.62 s`.
pub(crate) fn milliseconds(ms: f64) -> String {
    if ms < 999.5 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.2} s", ms / 1e3)
    }
}

/// `134.5 M`, `8.0 B`: the way people speak of parameters.
pub(crate) fn parameters(count: u64) -> String {
    let millions = as_f64(count) / 1e6;
    if millions < 999.95 {
        format!("{millions:.1} M")
    } else {
        format!("{:.1} B", millions / 1e3)
    }
}

/// Exact up to 2^53; beyond that, the last digits are none that anybody is shown.
#[expect(clippy::cast_precision_loss, reason = "rounded for the eye anyway")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_fit_the_number() {
        let check = |count: u64, expected: &str| assert_eq!(bytes(count), expected);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1024, "1.0 KiB");
        check((1 << 20) - 1, "1.0 MiB");
        check(98_362_432, "93.8 MiB");
        check(121 << 30, "121.0 GiB");
        check(u64::MAX, "16384.0 PiB");
        assert_eq!(gib(130_663_165_952), "121.7");
        assert_eq!(milliseconds(83.4), "83 ms");
        assert_eq!(milliseconds(999.7), "1.00 s");
        assert_eq!(milliseconds(1620.0), "1.62 s");
        assert_eq!(parameters(134_515_008), "134.5 M");
        assert_eq!(parameters(8_030_000_000), "8.0 B");
    }
}
