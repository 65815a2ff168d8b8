//! Which bytes go out, and how: what was asked for, with what was ordered to go wrong.

use super::Asked;
use crate::fault::Harm;
use std::ops::Range;
use std::time::Duration;

/// An answer with bytes of a file.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// 200 or 206.
    pub(crate) status: u16,
    /// Of the file.
    pub(crate) range: Range<u64>,
    /// `Content-Range`.
    pub(crate) said_range: Option<String>,
    /// `Content-Length`.
    pub(crate) said_length: Option<u64>,
    pub(crate) accepts_ranges: bool,
    /// Bytes after those of the file.
    pub(crate) extra: u64,
    /// Places in the file where a byte is another one.
    pub(crate) flips: Vec<u64>,
    /// Ends after so many bytes.
    pub(crate) cut: Option<u64>,
    /// Stops after so many bytes.
    pub(crate) stall: Option<u64>,
    /// So many bytes, and a pause.
    pub(crate) pace: Option<(u64, Duration)>,
}

impl Plan {
    /// The honest one for a file of this length; an error for a Range outside of it.
    pub(crate) fn honest(asked: &Asked, len: u64, etag: &str) -> Result<Self, ()> {
        // Source: RFC 9110, 13.1.5: a condition that does not hold makes it a request for the whole.
        let condition = asked.header("if-range").map(|text| text.trim_matches('"'));
        let wanted = match condition {
            Some(condition) if condition != etag => None,
            _ => asked.range(len)?,
        };
        let mut plan = Self::of(0..len, len);
        if let Some(range) = wanted {
            plan.answer_range(range, len);
        }
        Ok(plan)
    }

    fn of(range: Range<u64>, len: u64) -> Self {
        Self {
            status: 200,
            range,
            said_range: None,
            said_length: Some(len),
            accepts_ranges: true,
            extra: 0,
            flips: Vec::new(),
            cut: None,
            stall: None,
            pace: None,
        }
    }

    fn answer_range(&mut self, range: Range<u64>, len: u64) {
        let last = range.end.saturating_sub(1);
        self.status = 206;
        self.said_range = Some(format!("bytes {}-{last}/{len}", range.start));
        self.said_length = Some(range.end - range.start);
        self.range = range;
    }

    /// With everything that goes wrong. Those that are about Range come first: they say which bytes there are.
    pub(crate) fn harmed(mut self, harms: &[Harm], len: u64) -> Self {
        for harm in harms {
            match harm {
                Harm::IgnoreRange => self = Self::of(0..len, len),
                Harm::RefuseRange => {
                    self = Self::of(0..len, len);
                    self.accepts_ranges = false;
                }
                Harm::OtherRange(by) if self.status == 206 => {
                    let moved = |place: u64| place.saturating_add_signed(*by).min(len);
                    let range = moved(self.range.start)..moved(self.range.end);
                    self.answer_range(range, len);
                }
                _ => {}
            }
        }
        for harm in harms {
            self.harm(harm);
        }
        self
    }

    fn harm(&mut self, harm: &Harm) {
        match *harm {
            Harm::Cut(after) => self.cut = Some(after),
            Harm::Stall(after) => self.stall = Some(after),
            Harm::Slow(bytes, pause) => self.pace = Some((bytes, pause)),
            Harm::Flip(place) => self.flips.push(place),
            Harm::Shorter(bytes) => {
                let end = self.range.end.saturating_sub(bytes);
                self.range.end = end.max(self.range.start);
                self.said_length = Some(self.length());
            }
            Harm::Longer(bytes) => {
                self.extra = bytes;
                self.said_length = Some(self.length());
            }
            Harm::NoLength => self.said_length = None,
            _ => {}
        }
    }

    /// Bytes of the body.
    pub(crate) fn length(&self) -> u64 {
        self.range.end - self.range.start + self.extra
    }
}
