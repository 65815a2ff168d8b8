use super::*;
use std::os::unix::fs::PermissionsExt;

const RIGHT: &str = "7391";

async fn try_(keeper: &PinKeeper, pin: &str) -> PinAnswer {
    keeper.try_pin(pin.into()).await.expect("an answer")
}

async fn with_pin() -> (tempfile::TempDir, PinKeeper) {
    let folder = tempfile::tempdir().expect("a folder");
    let keeper = PinKeeper::new(&folder.path().join("data"));
    keeper.set(RIGHT.into()).await.expect("set");
    (folder, keeper)
}

impl PinKeeper {
    /// The same folder after the program was started anew.
    fn anew(&self) -> Self {
        Self::new(&self.data_dir)
    }

    fn kept(&self) -> Kept {
        self.read().expect("a file").expect("a PIN")
    }

    /// As if it had been so many wrong tries, the last one so long ago.
    fn put(&self, wrong_tries: u32, ago_ms: i64) {
        let last_wrong_at_ms = crate::store::now_ms() - ago_ms;
        self.write(&Kept {
            wrong_tries,
            last_wrong_at_ms,
            ..self.kept()
        })
        .expect("written");
    }
}

#[tokio::test]
async fn only_the_right_pin_is_right_and_the_file_does_not_tell_it() {
    let (_folder, keeper) = with_pin().await;
    assert!(keeper.has_pin());
    assert_eq!(try_(&keeper, RIGHT).await, PinAnswer::Right);
    for wrong in ["7392", "", "07391", "73910"] {
        assert_eq!(try_(&keeper, wrong).await, PinAnswer::Wrong { wait_ms: 0 });
        assert_eq!(try_(&keeper, RIGHT).await, PinAnswer::Right);
    }
    let hash = keeper.kept().hash;
    assert!(
        hash.starts_with("$argon2id$v=19$m=32768,t=3,p=1$"),
        "{hash}"
    );
    let mode = fs::metadata(keeper.path())
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    keeper.set("8264".into()).await.expect("set");
    assert_ne!(keeper.kept().hash, hash);
    assert!(matches!(
        try_(&keeper, RIGHT).await,
        PinAnswer::Wrong { .. }
    ));
}

#[tokio::test]
async fn wrong_tries_slow_down_and_a_restart_does_not_help() {
    let (_folder, keeper) = with_pin().await;
    for expected in [0, 0, 2000] {
        let wrong = try_(&keeper, "0001").await;
        assert_eq!(wrong, PinAnswer::Wrong { wait_ms: expected });
    }
    let too_soon =
        |answer| matches!(answer, PinAnswer::TooSoon { wait_ms } if (1..=2000).contains(&wait_ms));
    assert!(
        too_soon(try_(&keeper, RIGHT).await),
        "also the right one has to wait"
    );
    assert!(too_soon(try_(&keeper.anew(), RIGHT).await));
    assert_eq!(
        keeper.kept().wrong_tries,
        3,
        "what was not looked at does not count"
    );

    keeper.put(3, 2001);
    let anew = keeper.anew();
    assert_eq!(
        try_(&anew, "0001").await,
        PinAnswer::Wrong { wait_ms: 4000 }
    );
    keeper.put(40, 299_000);
    assert!(matches!(
        try_(&keeper.anew(), RIGHT).await,
        PinAnswer::TooSoon { .. }
    ));
    keeper.put(40, 300_001);
    let anew = keeper.anew();
    assert_eq!(
        try_(&anew, "0001").await,
        PinAnswer::Wrong { wait_ms: 300_000 }
    );

    // A clock that was set back closes for no longer than the delay.
    keeper.put(3, -3_600_000);
    assert!(too_soon(try_(&keeper.anew(), RIGHT).await));

    keeper.put(9, 3_600_000);
    assert_eq!(try_(&keeper.anew(), RIGHT).await, PinAnswer::Right);
    assert_eq!(keeper.kept().wrong_tries, 0);
    assert_eq!(try_(&keeper, "0001").await, PinAnswer::Wrong { wait_ms: 0 });
}

#[tokio::test]
async fn a_clock_that_is_set_on_does_not_shorten_a_delay_of_this_program() {
    let (_folder, keeper) = with_pin().await;
    for _ in 0..3 {
        try_(&keeper, "0001").await;
    }
    keeper.put(3, 3_600_000);
    assert!(matches!(
        try_(&keeper, RIGHT).await,
        PinAnswer::TooSoon { .. }
    ));
}

#[test]
fn delays_double_up_to_five_minutes() {
    let seconds = |wrong| delay_after(wrong).as_secs();
    let found: Vec<_> = (0..12).map(seconds).collect();
    assert_eq!(found, [0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
    assert_eq!(seconds(u32::MAX), 300);
}

#[tokio::test]
async fn tries_at_the_same_time_are_looked_at_one_after_the_other() {
    let (_folder, keeper) = with_pin().await;
    let tries = (0..12).map(|number| {
        // Half of them as if from another program.
        let keeper = if number % 2 == 0 {
            keeper.clone()
        } else {
            keeper.anew()
        };
        tokio::spawn(async move { try_(&keeper, "0001").await })
    });
    let mut looked_at = 0;
    for one in tries.collect::<Vec<_>>() {
        let answer = one.await.expect("a try");
        looked_at += u32::from(matches!(answer, PinAnswer::Wrong { .. }));
    }
    assert_eq!(looked_at, 3);
}

#[tokio::test]
async fn a_pin_that_is_set_elsewhere_opens_at_once() {
    let (_folder, keeper) = with_pin().await;
    for _ in 0..3 {
        try_(&keeper, "0001").await;
    }
    keeper.anew().set("8264".into()).await.expect("set");
    assert_eq!(try_(&keeper, "8264").await, PinAnswer::Right);
}

#[tokio::test]
async fn a_pin_that_is_guessed_first_is_refused() {
    let (_folder, keeper) = with_pin().await;
    let check = async |pin: &str, words: &str| {
        let error = keeper.set(pin.into()).await.expect_err(pin);
        assert_eq!(error.code, ErrorCode::InvalidRequest, "{pin}");
        assert!(
            error.message.contains(words) && error.hint.is_some(),
            "{pin}: {error}"
        );
    };
    for pin in [
        "0000",
        "1234",
        "4321",
        "7890",
        "0987",
        "1212",
        "123123",
        "2580",
        "888888888888",
    ] {
        check(pin, "first that somebody would try").await;
    }
    check("739", "3 digits").await;
    check("", "0 digits").await;
    check("7391739173915", "13 digits").await;
    check("73a1", "digits only").await;
    check("٧٣٩١", "digits only").await;
    assert_eq!(
        try_(&keeper, RIGHT).await,
        PinAnswer::Right,
        "the old one holds"
    );
    for pin in ["1357", "2024", "739173918264"] {
        keeper.set(pin.into()).await.expect(pin);
    }
}

#[tokio::test]
async fn without_a_pin_or_with_a_broken_file_nothing_opens() {
    let folder = tempfile::tempdir().expect("a folder");
    let keeper = PinKeeper::new(folder.path());
    assert!(!keeper.has_pin());
    let error = keeper
        .try_pin(String::new())
        .await
        .expect_err("none is set");
    assert_eq!(error.code, ErrorCode::NotFound);
    for broken in ["", "{}", "\"7391\""] {
        fs::write(keeper.path(), broken).expect("a file");
        assert!(!keeper.has_pin(), "{broken}");
        let error = keeper.try_pin(RIGHT.into()).await.expect_err(broken);
        assert!(
            error
                .hint
                .is_some_and(|hint| hint.contains("wick kiosk pin"))
        );
    }
    let kept = r#"{"hash": "plain", "wrong_tries": 0, "last_wrong_at_ms": 0}"#;
    fs::write(keeper.path(), kept).expect("a file");
    assert!(keeper.try_pin("plain".into()).await.is_err());
    assert_eq!(
        keeper.kept().wrong_tries,
        1,
        "it counts before it is looked at"
    );
    keeper.set(RIGHT.into()).await.expect("set anew");
    assert_eq!(try_(&keeper, RIGHT).await, PinAnswer::Right);
}
