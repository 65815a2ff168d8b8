use super::*;
use std::future::Future;
use tokio::sync::watch::Receiver;

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data/kiosk");
        Self {
            _folder: folder,
            path,
        }
    }

    fn with(content: &str) -> Self {
        let place = Self::new();
        fs::create_dir_all(&place.path).expect("a folder");
        place.write("kiosk.toml", content);
        place
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path.join(name), content).expect("a file");
    }

    fn open(&self) -> Folder {
        Folder::open(self.path.clone())
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    let most = Duration::from_secs(20);
    tokio::time::timeout(most, what).await.expect("in time")
}

/// What holds as soon as it is so.
async fn until(
    seen: &mut Receiver<Arc<InForce>>,
    is_so: impl Fn(&InForce) -> bool,
) -> Arc<InForce> {
    let found = soon(seen.wait_for(|in_force| is_so(in_force))).await;
    found.expect("it is still looked at").clone()
}

#[tokio::test]
async fn without_a_folder_what_comes_with_wick_holds_until_one_is_made() {
    let place = Place::new();
    let folder = place.open();
    let first = folder.look_now();
    assert_eq!(
        (first.version, first.has_folder, &first.problem),
        (1, false, &None)
    );
    assert_eq!(*first.config, Config::default());
    assert!(!place.path.exists(), "nothing is written unasked");
    folder.make().expect("made");
    let made = folder.look_now();
    assert_eq!((made.has_folder, &made.problem), (true, &None));
    assert_eq!(made.config, first.config);
    place.write("kiosk.toml", "motto = \"mine\"");
    fs::remove_file(place.path.join("machine.md")).expect("removed");
    folder.make().expect("made again");
    assert_eq!(
        folder.look_now().config.motto,
        "mine",
        "what is there stays"
    );
    assert!(
        place.path.join("machine.md").exists(),
        "what lacks comes back"
    );
    let names = fs::read_dir(&place.path).expect("a folder").count();
    assert_eq!(names, 3, "and nothing else");
}

#[tokio::test]
async fn an_edit_holds_by_itself_and_a_mistake_leaves_what_was_good() {
    let place = Place::with("motto = \"one\"");
    let folder = place.open();
    let mut seen = folder.subscribe();
    let first = seen.borrow_and_update().clone();
    assert_eq!(first.config.motto, "one");

    place.write("kiosk.toml", "motto = \"two\"");
    let second = until(&mut seen, |now| now.config.motto == "two").await;
    assert!(second.version > first.version);

    place.write("kiosk.toml", "motto = \"three\"\nmoto = 1");
    let mistaken = until(&mut seen, |now| now.problem.is_some()).await;
    let line = mistaken.problem.as_ref().and_then(|problem| problem.line);
    assert_eq!(line, Some(2));
    assert_eq!(
        (mistaken.version, &mistaken.config),
        (second.version, &second.config)
    );

    // As many editors save: written beside, then renamed.
    place.write("kiosk.toml.new", "motto = \"four\"");
    let [beside, file] = ["kiosk.toml.new", "kiosk.toml"].map(|name| place.path.join(name));
    fs::rename(beside, file).expect("renamed");
    let mended = until(&mut seen, |now| now.config.motto == "four").await;
    assert_eq!(mended.problem, None);
    assert!(mended.version > mistaken.version);

    fs::remove_dir_all(&place.path).expect("removed");
    let gone = until(&mut seen, |now| !now.has_folder).await;
    assert_eq!(*gone.config, Config::default());
}

#[tokio::test]
async fn a_page_or_a_picture_that_is_edited_makes_another_version() {
    let scene = "[[scene]]\ntype = \"slide\"\nfile = \"a.md\"\npicture = \"a.svg\"";
    let place = Place::with(scene);
    let folder = place.open();
    let mut seen = folder.subscribe();
    let lacking = seen.borrow_and_update().clone();
    assert_eq!(
        *lacking.config,
        Config::default(),
        "the first one has a mistake"
    );
    assert!(lacking.problem.is_some());
    place.write("a.svg", "<svg/>");
    place.write("a.md", "# One");
    let whole = until(&mut seen, |now| now.problem.is_none()).await;
    assert_ne!(*whole.config, Config::default());
    place.write("a.svg", "<svg></svg>");
    let drawn = until(&mut seen, |now| now.version > whole.version).await;
    assert_eq!(drawn.config, whole.config);
    place.write("a.md", "# Two");
    until(&mut seen, |now| now.config != drawn.config).await;
}

#[tokio::test]
async fn looking_at_what_has_not_changed_says_nothing() {
    let place = Place::with("motto = \"one\"");
    let folder = place.open();
    let mut seen = folder.subscribe();
    let first = seen.borrow_and_update().clone();
    place.write("notes.txt", "what is not shown");
    place.write(".kiosk.toml.swp", "what an editor keeps");
    assert_eq!(folder.look_now(), first);
    assert!(!seen.has_changed().expect("it is looked at"));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_still_being_written_does_not_hold() {
    let place = Place::with("motto = \"one\"");
    let folder = place.open();
    let mut seen = folder.subscribe();
    seen.mark_unchanged();
    for length in 0..20 {
        let half = format!("motto = \"{}", "x".repeat(length));
        place.write("kiosk.toml", &half);
        tokio::time::sleep(LOOK).await;
    }
    assert!(!seen.has_changed().expect("it is looked at"));
    place.write("kiosk.toml", "motto = \"two\"");
    tokio::time::sleep(3 * LOOK).await;
    let now = until(&mut seen, |now| now.config.motto != "one").await;
    assert_eq!((now.config.motto.as_str(), &now.problem), ("two", &None));
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_is_a_problem() {
    let place = Place::new();
    fs::create_dir_all(place.path.parent().expect("a parent")).expect("a folder");
    fs::write(&place.path, "no folder").expect("a file");
    let folder = place.open();
    let found = folder.look_now().problem.clone().expect("a problem");
    assert!(found.message.contains("can't be read"), "{found:?}");
    let error = folder.make().expect_err("no folder");
    assert!(error.message.contains("takes no file"), "{error}");
}

#[tokio::test]
async fn only_pictures_of_the_folder_are_handed_out() {
    let place = Place::with("");
    place.write("a.svg", "<svg/>");
    fs::write(place.path.join("../b.svg"), "<svg/>").expect("a file");
    std::os::unix::fs::symlink("../b.svg", place.path.join("link.svg")).expect("a link");
    let folder = place.open();
    assert_eq!(
        folder.picture("a.svg").expect("a picture"),
        "data:image/svg+xml;base64,PHN2Zy8+"
    );
    assert!(folder.picture("machine.svg").is_ok(), "it comes with Wick");
    for name in [
        "../b.svg",
        "link.svg",
        "kiosk.toml",
        "/etc/passwd",
        "",
        ".",
        "none.png",
    ] {
        let error = folder.picture(name).expect_err(name);
        assert_eq!(error.code, crate::ErrorCode::InvalidRequest, "{name}");
        assert!(error.hint.is_some(), "{name}");
    }
}

#[tokio::test]
async fn the_looking_ends_with_the_last_clone() {
    let folder = Place::with("").open();
    let mut seen = folder.subscribe();
    let other = folder.clone();
    drop(folder);
    assert!(seen.has_changed().is_ok());
    drop(other);
    soon(async { while seen.changed().await.is_ok() {} }).await;
}
