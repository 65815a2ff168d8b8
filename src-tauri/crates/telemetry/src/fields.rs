//! Lines of the form `Name:   123 kB`, which most of `/proc` is made of.

/// The field in bytes; `None` when no line names it with a number of kibibytes that fits into 64 bits of bytes.
pub(crate) fn field_bytes(text: &str, name: &str) -> Option<u64> {
    let kibibytes = field(text, name)?.strip_suffix("kB")?.trim_end();
    kibibytes.parse::<u64>().ok()?.checked_mul(1024)
}

/// What follows `name:` in the first line that begins with it, without the blanks around.
pub(crate) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim_end() == name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn kibibytes_become_bytes() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(field_bytes(text, "Pss"), expected, "{text:?}");
        };
        check("Pss:   376 kB", Some(376 * 1024));
        check("Pss_Anon: 1 kB\nPss:\t2 kB\n", Some(2048));
        check("Pss: 0 kB", Some(0));
        check("Rss: 376 kB", None);
        check("Pss: 376", None);
        check("Pss: kB", None);
        check("Pss: -1 kB", None);
        check("Pss: many kB", None);
        check("Pss 376 kB", None);
        check("Pss: 18446744073709551615 kB", None);
        check("Pss: 18446744073709551616 kB", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>(), name in any::<String>()) {
            let _ = field_bytes(&text, &name);
        }
    }
}
