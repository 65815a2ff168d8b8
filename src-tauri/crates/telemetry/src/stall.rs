//! How long programs stand still for want of memory, as the kernel reckons it.

use crate::Machine;
use crate::machine::read;

impl Machine {
    /// The share of the last ten seconds, in percent, in which all programs that wanted to run waited for memory:
    /// `avg10` of `full` in `/proc/pressure/memory` (`Documentation/accounting/psi.rst`). `None` where the kernel does
    /// not tell.
    pub fn memory_stall(&self) -> Option<f64> {
        let text = read(&self.proc().join("pressure/memory")).ok()?;
        full_average(&text)
    }
}

fn full_average(text: &str) -> Option<f64> {
    let fields = text.lines().find_map(|line| line.strip_prefix("full "))?;
    let average = fields
        .split_ascii_whitespace()
        .find_map(|field| field.strip_prefix("avg10="))?;
    let percent = average.parse::<f64>().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_share_of_full_stalls_is_found() {
        let check = |text: &str, expected: Option<f64>| {
            assert_eq!(full_average(text), expected, "{text:?}");
        };
        let some = "some avg10=9.00 avg60=0.00 avg300=0.00 total=1\n";
        check(
            &format!("{some}full avg10=12.50 avg60=1.00 avg300=0.00 total=7\n"),
            Some(12.5),
        );
        check(some, None);
        check("full avg60=1.00 total=7\n", None);
        check("full avg10=nan\n", None);
        check("full avg10=101.00\n", None);
        check("full avg10=-1\n", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn any_text_gives_a_percentage_or_nothing(text in any::<String>()) {
            let found = full_average(&text);
            prop_assert!(found.is_none_or(|percent| (0.0..=100.0).contains(&percent)));
        }
    }
}
