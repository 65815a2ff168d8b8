//! The operator's PIN: kept as a hash in `kiosk.pin`, tried by strangers, looked at ever more slowly after wrong ones.
//!
//! Deliberately not here: what a right PIN opens. A PIN of a few digits can't withstand somebody who has the file; it is
//! its owner's alone, and the delays are for those who have only the screen.
//!
//! Invariants: a try counts before it is looked at, so that pulling the plug wins none; the count and the delay outlive a
//! restart; tries are looked at one after the other, in this program and in others.

use super::view::PinAnswer;
use crate::{Error, ErrorCode};
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong tries until there is a delay.
const FREE_TRIES: u32 = 3;
const LONGEST_DELAY: Duration = Duration::from_secs(300);

/// OWASP's least for argon2id is 19 MiB and two passes. Source: OWASP, Password Storage Cheat Sheet.
const MEMORY_KIB: u32 = 32 * 1024;
const PASSES: u32 = 3;

/// Keeps the PIN. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct PinKeeper {
    data_dir: PathBuf,
    /// Until when no PIN is looked at, and after how many wrong tries that was. The clock of the wall, which is in the
    /// file, may be set meanwhile; this one may not.
    closed: Arc<Mutex<Option<(Instant, u32)>>>,
}

/// What `kiosk.pin` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// As PHC has it: `$argon2id$v=19$m=…$salt$hash`.
    hash: String,
    /// In a row.
    wrong_tries: u32,
    /// When the last one was, in milliseconds since 1970.
    last_wrong_at_ms: i64,
}

impl PinKeeper {
    /// The PIN of this data folder. Nothing is read yet.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            closed: Arc::default(),
        }
    }

    /// Whether one is set.
    pub(crate) fn has_pin(&self) -> bool {
        self.read().is_ok_and(|kept| kept.is_some())
    }

    /// Sets it: 4 to 12 digits, none that is guessed first. Wrong tries are forgotten.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`] with the reason; [`ErrorCode::DiskFull`], [`ErrorCode::Internal`] when it can't be
    /// kept. Then the one before still holds.
    pub(crate) async fn set(&self, pin: String) -> Result<(), Error> {
        self.blocking(move |keeper| keeper.set_now(&pin)).await
    }

    /// As [`PinKeeper::set`]; blocks.
    pub(super) fn set_now(&self, pin: &str) -> Result<(), Error> {
        check(pin)?;
        let hash = hashed(pin)?;
        let _one = self.alone()?;
        self.write(&Kept {
            hash,
            wrong_tries: 0,
            last_wrong_at_ms: 0,
        })?;
        *self.closed() = None;
        Ok(())
    }

    /// Looks at one, unless it is too soon.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when none is set, [`ErrorCode::Internal`] when the file can't be read.
    pub(crate) async fn try_pin(&self, pin: String) -> Result<PinAnswer, Error> {
        self.blocking(move |keeper| {
            let _one = keeper.alone()?;
            keeper.look_at(&pin)
        })
        .await
    }

    fn look_at(&self, pin: &str) -> Result<PinAnswer, Error> {
        let kept = self.read()?.ok_or_else(no_pin)?;
        let wait_ms = in_ms(self.wait(&kept));
        if wait_ms > 0 {
            return Ok(PinAnswer::TooSoon { wait_ms });
        }
        let counted = Kept {
            wrong_tries: kept.wrong_tries.saturating_add(1),
            last_wrong_at_ms: crate::store::now_ms(),
            ..kept.clone()
        };
        self.count(&counted);
        if !is_right(pin, &kept.hash)? {
            let delay = delay_after(counted.wrong_tries);
            *self.closed() = Some((Instant::now() + delay, counted.wrong_tries));
            return Ok(PinAnswer::Wrong {
                wait_ms: in_ms(delay),
            });
        }
        *self.closed() = None;
        self.count(&Kept {
            wrong_tries: 0,
            last_wrong_at_ms: 0,
            ..kept
        });
        Ok(PinAnswer::Right)
    }

    /// How long none is looked at. What this program counted itself goes before the file, unless a PIN was set since.
    fn wait(&self, kept: &Kept) -> Duration {
        let delay = delay_after(kept.wrong_tries);
        let of_clock = {
            let since = crate::store::now_ms().saturating_sub(kept.last_wrong_at_ms);
            // A clock that was set back must not close the kiosk for longer than the delay.
            let since = Duration::from_millis(u64::try_from(since).unwrap_or(0));
            delay.saturating_sub(since)
        };
        match *self.closed() {
            Some((until, tries)) if tries == kept.wrong_tries => {
                until.saturating_duration_since(Instant::now())
            }
            _ => of_clock,
        }
    }

    /// Keeps the count. A full disk must not keep the operator in: then it holds until the end of the program.
    fn count(&self, kept: &Kept) {
        if let Err(error) = self.write(kept) {
            tracing::warn!(%error, "the count of wrong PINs was not kept");
        }
    }

    fn path(&self) -> PathBuf {
        self.data_dir.join("kiosk.pin")
    }

    fn read(&self) -> Result<Option<Kept>, Error> {
        let text = match fs::read_to_string(self.path()) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unreadable(&error)),
        };
        let kept = serde_json::from_str(&text).map_err(|error| self.unreadable(&error))?;
        Ok(Some(kept))
    }

    /// Written beside, synced, renamed; the file is its owner's alone from the beginning.
    fn write(&self, kept: &Kept) -> Result<(), Error> {
        let written = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.data_dir)?;
            serde_json::to_writer(&mut file, kept)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(self.path()).map_err(|error| error.error)?;
            File::open(&self.data_dir)?.sync_all()
        };
        let what = "The PIN was not kept";
        written().map_err(|error| crate::export::unwritten(what, &self.data_dir, &error))
    }

    /// Until this is dropped, no other try is looked at and no PIN is set, by whatever program.
    fn alone(&self) -> Result<File, Error> {
        let locked = || -> io::Result<File> {
            let mut folder = fs::DirBuilder::new();
            folder.recursive(true).mode(0o700).create(&self.data_dir)?;
            let folder = File::open(&self.data_dir)?;
            folder.lock()?;
            Ok(folder)
        };
        locked().map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, error: &dyn std::fmt::Display) -> Error {
        let file = self.path();
        Error::internal(format!(
            "The PIN in {} can't be read: {error}.",
            file.display()
        ))
        .hint("Look at the permissions of the file, or set a new PIN with `wick kiosk pin`.")
    }

    fn closed(&self) -> std::sync::MutexGuard<'_, Option<(Instant, u32)>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hashing takes a while, on purpose: no task of tokio's waits for it.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let keeper = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&keeper));
        let broken = |error| {
            Err(Error::internal(format!(
                "The PIN was not looked at: {error}."
            )))
        };
        done.await.unwrap_or_else(broken)
    }
}

fn no_pin() -> Error {
    Error::new(ErrorCode::NotFound, "No PIN is set.")
        .hint("Set one in Settings, or with `wick kiosk pin` in a terminal.")
}

/// None, then 2, 4, 8, … seconds, five minutes at most.
fn delay_after(wrong_tries: u32) -> Duration {
    match wrong_tries.checked_sub(FREE_TRIES) {
        None => Duration::ZERO,
        Some(more) => Duration::from_secs(2_u64.saturating_pow(more + 1)).min(LONGEST_DELAY),
    }
}

fn in_ms(time: Duration) -> u32 {
    // Rounded up: who waits so long must not come too soon.
    u32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u32::MAX)
}

fn argon2() -> Result<Argon2<'static>, Error> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| failed(&error))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hashed(pin: &str) -> Result<String, Error> {
    let mut salt = [0; 16];
    OsRng
        .try_fill_bytes(&mut salt)
        .map_err(|error| failed(&error))?;
    let hash = argon2()?.hash_password_with_salt(pin.as_bytes(), &salt);
    hash.map(|hash| hash.to_string())
        .map_err(|error| failed(&error))
}

fn is_right(pin: &str, hash: &str) -> Result<bool, Error> {
    use argon2::password_hash::Error as E;
    match argon2()?.verify_password(pin.as_bytes(), hash) {
        Ok(()) => Ok(true),
        Err(E::PasswordInvalid) => Ok(false),
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::internal(format!("The PIN could not be looked at: {error}."))
        .hint("Set a new PIN with `wick kiosk pin`.")
}

/// What a PIN must be.
fn check(pin: &str) -> Result<(), Error> {
    if !pin.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::invalid("A PIN is made of digits only.").hint("Leave all else out."));
    }
    if !(4..=12).contains(&pin.len()) {
        let message = format!("This PIN has {} digits.", pin.len());
        return Err(Error::invalid(message).hint("Take 4 to 12 digits."));
    }
    if is_guessed_first(pin.as_bytes()) {
        return Err(
            Error::invalid("This PIN is one of the first that somebody would try.")
                .hint("Take digits that follow no pattern."),
        );
    }
    Ok(())
}

/// The same digit all along, digits in a row up or down, a part that is repeated, a line on the keypad.
fn is_guessed_first(pin: &[u8]) -> bool {
    let all_step = |step: u8| {
        pin.windows(2)
            .all(|two| (two[0] - b'0' + step) % 10 == two[1] - b'0')
    };
    let repeats = |length: usize| {
        pin.len().is_multiple_of(length) && pin.chunks(length).all(|part| part == &pin[..length])
    };
    all_step(1)
        || all_step(9)
        || (1..=pin.len() / 2).any(repeats)
        || matches!(pin, b"2580" | b"0852")
}

#[cfg(test)]
mod tests;
