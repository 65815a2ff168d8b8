//! What networks receive and send, from `/proc/net/dev`. The loopback is left out.

use crate::NetworkReading;
use crate::counter::Counter;
use crate::words::shown;
use std::path::Path;
use std::time::Duration;

/// What is looked at of a damaged file, or of a machine with a container for everything.
const MOST_NETWORKS: usize = 256;

/// The networks of the last reading and their counters.
#[derive(Debug, Default)]
pub(crate) struct Networks(Vec<Network>);

#[derive(Debug)]
struct Network {
    name: String,
    physical: bool,
    received: Counter,
    sent: Counter,
}

impl Networks {
    /// The rates since the last text. `root` is where to look whether a new one is a device.
    pub(crate) fn read(&mut self, dev: &str, at: Duration, root: &Path) -> Vec<NetworkReading> {
        let lines = dev.lines().filter_map(bytes).take(MOST_NETWORKS);
        let found: Vec<_> = lines.collect();
        self.0
            .retain(|network| found.iter().any(|(name, _)| *name == network.name));
        let mut readings: Vec<_> = found
            .into_iter()
            .map(|(name, counts)| self.of(name, root).read(counts, at))
            .collect();
        readings.sort_by(|a, b| a.name.cmp(&b.name));
        readings
    }

    fn of(&mut self, name: &str, root: &Path) -> &mut Network {
        let known = self.0.iter().position(|network| network.name == name);
        let place = known.unwrap_or_else(|| {
            self.0.push(Network::new(name, root));
            self.0.len() - 1
        });
        &mut self.0[place]
    }
}

impl Network {
    fn new(name: &str, root: &Path) -> Self {
        let device = root.join("sys/class/net").join(name).join("device");
        Self {
            name: name.into(),
            physical: device.exists(),
            received: Counter::default(),
            sent: Counter::default(),
        }
    }

    fn read(&mut self, [received, sent]: [u64; 2], at: Duration) -> NetworkReading {
        NetworkReading {
            name: shown(&self.name),
            physical: self.physical,
            received_bytes_per_second: self.received.bytes_per_second(at, received),
            sent_bytes_per_second: self.sent.bytes_per_second(at, sent),
        }
    }
}

/// Name, bytes received and sent: `eth0: bytes packets errs drop fifo frame compressed multicast bytes …`
/// (`man 5 proc_pid_net`). The two lines of headings have no colon.
fn bytes(line: &str) -> Option<(&str, [u64; 2])> {
    let (name, counts) = line.split_once(':')?;
    let name = name.trim();
    // A name is the name of a folder in /sys too.
    let loopback = name == "lo";
    if loopback || name.is_empty() || name.contains('/') {
        return None;
    }
    let mut counts = counts.split_ascii_whitespace();
    let received = counts.next()?.parse().ok()?;
    let sent = counts.nth(7)?.parse().ok()?;
    Some((name, [received, sent]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    #[test]
    fn bytes_are_the_first_and_the_ninth_number() {
        let check = |line: &str, expected: Option<(&str, [u64; 2])>| {
            assert_eq!(bytes(line), expected, "{line:?}");
        };
        check(
            "  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
            Some(("eth0", [1, 9])),
        );
        check("eth0:1 2 3 4 5 6 7 8 9", Some(("eth0", [1, 9])));
        check("    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", None);
        check(" face |bytes    packets errs drop fifo", None);
        check("eth0: 1 2 3", None);
        check("eth0: -1 2 3 4 5 6 7 8 9", None);
        check("../x: 1 2 3 4 5 6 7 8 9", None);
        check(": 1 2 3 4 5 6 7 8 9", None);
    }

    #[test]
    fn networks_come_and_go() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("sys/class/net/wlan0/device")).expect("a folder");
        let mut networks = Networks::default();
        let mut check = |seconds, text: &str, expected: &[(&str, bool, Option<u64>)]| {
            let found = networks.read(text, Duration::from_secs(seconds), folder.path());
            let found: Vec<_> = found
                .iter()
                .map(|network| {
                    (
                        network.name.as_str(),
                        network.physical,
                        network.sent_bytes_per_second,
                    )
                })
                .collect();
            assert_eq!(found, expected);
        };
        check(0, "wlan0: 1 0 0 0 0 0 0 0 5", &[("wlan0", true, None)]);
        check(
            2,
            "wlan0: 1 0 0 0 0 0 0 0 25\ntun0: 1 0 0 0 0 0 0 0 5",
            &[("tun0", false, None), ("wlan0", true, Some(10))],
        );
        check(3, "tun0: 1 0 0 0 0 0 0 0 6", &[("tun0", false, Some(1))]);
        check(4, "wlan0: 1 0 0 0 0 0 0 0 99", &[("wlan0", true, None)]);
    }

    proptest! {
        #[test]
        fn any_line_is_bytes_or_nothing(line: String, name: String) {
            let _ = (bytes(&line), bytes(&format!("{name}: {line}")));
        }
    }
}
