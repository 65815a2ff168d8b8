//! How busy each hardware thread was since the last reading, from `/proc/stat`.
//!
//! Invariant: a share is between 0 and 1, and there is one for each thread or there is none at all.

/// What is looked at of a damaged file; Linux is built for 8,192 at most.
const MOST_CORES: usize = 8192;

/// The ticks of each thread at the last reading.
#[derive(Debug, Default)]
pub(crate) struct Cores {
    before: Vec<Ticks>,
    now: Vec<Ticks>,
}

/// Ticks since the system started.
#[derive(Debug, Clone, Copy)]
struct Ticks {
    core: u32,
    busy: u64,
    idle: u64,
    /// Idle while a disk worked for it. The kernel says that this may go backwards.
    waiting: u64,
    /// Busy share in thousandths before these ticks.
    thousandths: u16,
}

impl Cores {
    /// The busy shares since the last text, by the number of the thread; empty if there is nothing to compare with.
    pub(crate) fn shares(&mut self, stat: &str) -> Vec<f32> {
        std::mem::swap(&mut self.before, &mut self.now);
        let lines = stat.lines().take_while(|line| line.starts_with("cpu"));
        self.now.clear();
        self.now.extend(lines.filter_map(ticks).take(MOST_CORES));
        let comparable = self.before.len() == self.now.len()
            && self
                .before
                .iter()
                .zip(&self.now)
                .all(|(a, b)| follows(a, b));
        if !comparable {
            return Vec::new();
        }
        for (before, now) in self.before.iter().zip(&mut self.now) {
            now.thousandths = thousandths(before, now);
        }
        let shares = self.now.iter().map(|now| now.thousandths);
        shares.map(|share| f32::from(share) / 1000.0).collect()
    }
}

/// `cpu3 user nice system idle iowait irq softirq steal …` (`man 5 proc_stat`). What guests used is in `user` already.
fn ticks(line: &str) -> Option<Ticks> {
    let line = line.strip_prefix("cpu")?;
    // The line without a number is the sum of all.
    let line = (!line.starts_with(' ')).then_some(line)?;
    let mut fields = line.split_ascii_whitespace();
    let core = fields.next()?.parse().ok()?;
    let mut next = || {
        fields
            .next()
            .map_or(Some(0), |field| field.parse::<u64>().ok())
    };
    let mut busy = next()?.checked_add(next()?)?.checked_add(next()?)?;
    let (idle, waiting) = (next()?, next()?);
    for _ in ["irq", "softirq", "steal"] {
        busy = busy.checked_add(next()?)?;
    }
    Some(Ticks {
        core,
        busy,
        idle,
        waiting,
        thousandths: 0,
    })
}

/// Whether these can be later ticks of the same thread.
fn follows(before: &Ticks, now: &Ticks) -> bool {
    before.core == now.core && before.busy <= now.busy && before.idle <= now.idle
}

/// The busy share between two ticks; the last one goes on if none has passed.
fn thousandths(before: &Ticks, now: &Ticks) -> u16 {
    let busy = u128::from(now.busy.saturating_sub(before.busy));
    let idle = u128::from(now.idle.saturating_sub(before.idle));
    let waiting = u128::from(now.waiting.saturating_sub(before.waiting));
    let share = (busy * 1000).checked_div(busy + idle + waiting);
    share.map_or(before.thousandths, |share| {
        u16::try_from(share).unwrap_or(1000)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shares(texts: &[&str]) -> Vec<f32> {
        let mut cores = Cores::default();
        let shares: Vec<_> = texts.iter().map(|text| cores.shares(text)).collect();
        shares.into_iter().next_back().unwrap_or_default()
    }

    #[test]
    fn a_share_is_what_was_not_idle() {
        let check = |texts: &[&str], expected: &[f32]| {
            assert_eq!(shares(texts), expected, "{texts:?}");
        };
        check(&["cpu0 1 1 1 100 0 0 0 0 0 0"], &[]);
        let before = "cpu  0 0 0 0\ncpu0 1 1 1 100 0 0 0 0 9 9\ncpu1 0 0 0 100 0 0 0 0 0 0\nintr 5";
        check(
            &[
                before,
                "cpu0 2 2 2 104 3 1 1 1 99 99\ncpu1 0 0 0 110 0 0 0 0 0 0\n",
            ],
            &[0.461, 0.0],
        );
        // No tick has passed: the share before goes on.
        let half = "cpu0 5 0 0 5";
        check(&["cpu0 0 0 0 0", half, half], &[0.5]);
        // What waited for a disk went backwards.
        check(&["cpu0 0 0 0 0 9", "cpu0 5 0 0 5 3"], &[0.5]);
        // A thread came, went, or began anew.
        check(&["cpu0 0 0 0 0", "cpu0 5 0 0 5\ncpu1 0 0 0 1"], &[]);
        check(
            &["cpu0 0 0 0 0\ncpu1 0 0 0 0", "cpu0 5 0 0 5\ncpu2 0 0 0 1"],
            &[],
        );
        check(&["cpu0 9 0 0 0", "cpu0 5 0 0 5"], &[]);
        check(&["cpu0 0 0 0 9", "cpu0 5 0 0 5"], &[]);
        check(&["cpu0 0 0 0 0", "cpu0 many 0 0 5"], &[]);
    }

    proptest! {
        #[test]
        fn any_texts_give_shares_or_none(texts: Vec<String>, numbers: Vec<[u64; 8]>) {
            let lines = numbers.iter().map(|n| format!("cpu0 {}", n.map(|n| n.to_string()).join(" ")));
            let mut cores = Cores::default();
            for text in texts.into_iter().chain(lines) {
                let shares = cores.shares(&text);
                prop_assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
            }
        }
    }
}
