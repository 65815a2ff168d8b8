//! Deleting models: it frees exactly what it says, and never anything else.

use crate::lay_out::{NEW, OLD, blob, cached, digest, layer, manifest};
use crate::{folder, model_file, text, write};
use hub::{Error, Library, LibraryRoot, ModelId, Removal, RootKind};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

/// All that is below, folders aside: the path, and which file it is with what it takes on the disk.
fn everything(folder: &Path) -> BTreeMap<PathBuf, (u64, u64)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let is = path.symlink_metadata().expect("it is there");
            if is.is_dir() {
                folders.push(path);
            } else if is.is_file() {
                found.insert(path, (is.ino(), is.len().min(is.blocks() * 512)));
            } else {
                found.insert(path, (is.ino(), 0));
            }
        }
    }
    found
}

fn disk_usage(files: &BTreeMap<PathBuf, (u64, u64)>) -> u64 {
    let files: BTreeMap<_, _> = files.values().copied().collect();
    files.values().sum()
}

fn paths(removal: &Removal) -> BTreeSet<PathBuf> {
    let files = removal.files.iter();
    files.map(|leaving| PathBuf::from(&leaving.path)).collect()
}

fn kept(removal: &Removal) -> Vec<(&str, &str)> {
    let kept = removal.kept.iter();
    kept.map(|kept| (kept.path.as_str(), kept.because.as_str()))
        .collect()
}

/// Removes a model and proves that what was said is what was done.
fn remove(library: &Library, id: &ModelId, disk: &Path) -> Removal {
    let removal = library.removal(id).expect("it is in the library");
    carry_out(library, &removal, disk);
    removal
}

fn carry_out(library: &Library, removal: &Removal, disk: &Path) {
    let before = everything(disk);
    let freed = library.remove(removal).expect("nothing has changed");
    let after = everything(disk);
    assert_eq!(freed, removal.freed_bytes);
    // What a lock leaves is empty.
    let new = after.iter().filter(|(path, _)| !before.contains_key(*path));
    assert!(new.map(|(_, (_, bytes))| bytes).all(|bytes| *bytes == 0));
    assert_eq!(disk_usage(&before) - disk_usage(&after), freed);
    let gone = before.into_keys().filter(|path| !after.contains_key(path));
    assert_eq!(gone.collect::<BTreeSet<_>>(), paths(removal));
}

fn library(path: &Path, kind: RootKind) -> Library {
    Library::new(vec![LibraryRoot::new(path, kind)])
}

fn id(library: &Library, name: &str) -> ModelId {
    library.find(name).expect(name).id
}

fn names(library: &Library) -> Vec<String> {
    let models = library.look().models.into_iter();
    models.map(|model| model.file_name).collect()
}

const GGUF: Option<&[u8]> = Some(b"GGUF and so on");

#[test]
fn the_last_model_of_a_repository_takes_all_of_it_along() {
    let root = folder();
    let repo = root.path().join("models--org--Tiny-GGUF");
    for commit in [OLD, NEW] {
        cached(&repo, commit, "Q8/Tiny-Q8_0.gguf", "1", GGUF);
    }
    cached(&repo, NEW, "mmproj-F16.gguf", "2", Some(b"GGUF sees"));
    cached(&repo, NEW, "README.md", "3", Some(b"a card"));
    for (name, commit) in [("main", NEW), ("refs/pr/1", OLD)] {
        write(repo.join("refs").join(name), commit.as_bytes());
    }
    write(repo.join("trees").join(format!("{NEW}.json")), b"{}");
    write(repo.join(".no_exist").join(NEW).join("a/b.json"), b"");
    write(repo.join("blobs/orphan"), b"linked from nowhere");
    let lock = root.path().join(".locks/models--org--Tiny-GGUF/1.lock");
    write(&lock, b"");
    let other = model_file(
        root.path()
            .join("models--org--Other/snapshots/x/other.gguf"),
    );
    let library = library(root.path(), RootKind::HuggingFace);
    let removal = remove(&library, &id(&library, "Tiny"), root.path());
    assert_eq!(kept(&removal), []);
    assert!(!repo.exists(), "{:?}", everything(&repo));
    assert!(lock.exists() && other.exists());
    assert_eq!(names(&library), ["other.gguf"]);
}

#[test]
fn what_other_models_of_a_repository_use_stays() {
    let root = folder();
    let repo = root.path().join("models--org--Tiny-GGUF");
    cached(&repo, NEW, "Tiny-Q8_0.gguf", "1", GGUF);
    let other = cached(&repo, NEW, "Tiny-Q4_0.gguf", "2", GGUF);
    let sees = cached(&repo, NEW, "mmproj-F16.gguf", "3", GGUF);
    let card = cached(&repo, NEW, "README.md", "4", Some(b"a card"));
    let main = write(repo.join("refs/main"), NEW.as_bytes());
    let library = library(root.path(), RootKind::HuggingFace);
    let removal = remove(&library, &id(&library, "Tiny-Q8_0.gguf"), root.path());
    assert_eq!(paths(&removal).len(), 2);
    assert_eq!(removal.freed_bytes, 14);
    assert_eq!(
        kept(&removal),
        [(text(&sees), "other models of its repository may use it")]
    );
    for path in [&other, &sees, &card, &main] {
        assert!(path.exists(), "{path:?}");
    }
}

#[test]
fn a_blob_with_another_name_in_the_repository_stays() {
    let root = folder();
    let repo = root.path().join("models--org--Tiny-GGUF");
    cached(&repo, NEW, "a.gguf", "1", GGUF);
    cached(&repo, NEW, "b.gguf", "1", None);
    let library = library(root.path(), RootKind::HuggingFace);
    let model = library.look().models.remove(0);
    assert_eq!(model.file_name, "a.gguf");
    let removal = remove(&library, &model.id, root.path());
    assert_eq!(removal.freed_bytes, 0);
    let blob = repo.join("blobs/1");
    let because = format!("also used by {NEW}/b.gguf");
    assert_eq!(kept(&removal), [(text(&blob), because.as_str())]);
    assert_eq!(names(&library), ["b.gguf"]);
    assert_eq!(remove(&library, &model.id, root.path()).freed_bytes, 14);
}

#[test]
fn another_version_stays_until_it_is_removed_itself() {
    let root = folder();
    let repo = root.path().join("models--org--Tiny-GGUF");
    let old = cached(&repo, OLD, "Tiny.gguf", "1", GGUF);
    cached(&repo, NEW, "Tiny.gguf", "2", Some(b"GGUF newer"));
    write(repo.join("refs/main"), NEW.as_bytes());
    let library = library(root.path(), RootKind::HuggingFace);
    let new = id(&library, "Tiny");
    let removal = library.removal(&new).expect("it is there");
    assert_eq!(
        kept(&removal),
        [(text(&old), "it is another version of the model")]
    );
    assert_eq!(removal.freed_bytes, 10 + 40);

    let others = library
        .removal_of_other_versions(&new)
        .expect("it is there");
    assert_eq!(others.freed_bytes, 14);
    carry_out(&library, &others, root.path());
    assert!(!repo.join("snapshots").join(OLD).exists());
    assert_eq!(id(&library, "Tiny"), new);
    assert!(matches!(
        library.remove(&removal),
        Err(Error::Changed { .. })
    ));
    remove(&library, &new, root.path());
    assert!(!repo.exists());
}

/// A snapshot with weights of 7 bytes in a blob.
fn checkpoint(repo: &Path, commit: &str, weights: &str) {
    cached(repo, commit, "config.json", "c", Some(b"{}"));
    cached(repo, commit, "model.safetensors", weights, Some(b"weights"));
    cached(
        repo,
        commit,
        "tokenizer.json",
        &format!("t{weights}"),
        Some(b"[]"),
    );
}

#[test]
fn a_folder_of_the_cache_leaves_what_another_snapshot_links_to() {
    let root = folder();
    let repo = root.path().join("models--org--Tiny");
    checkpoint(&repo, OLD, "1");
    checkpoint(&repo, NEW, "2");
    write(repo.join("refs/main"), NEW.as_bytes());
    let library = library(root.path(), RootKind::HuggingFace);
    let removal = remove(&library, &id(&library, "org/Tiny"), root.path());
    let config = repo.join("blobs/c");
    let because = format!("also used by {OLD}/config.json");
    assert_eq!(kept(&removal), [(text(&config), because.as_str())]);
    assert_eq!(
        removal.freed_bytes,
        7 + 2 + 40,
        "weights, a tokenizer, a ref"
    );
    let left = library.find("org/Tiny").expect("the other version");
    assert!(left.path.ends_with(OLD), "{}", left.path);
    remove(&library, &left.id, root.path());
    assert!(!repo.exists());
}

#[test]
fn an_unfinished_download_keeps_its_repository() {
    let root = folder();
    let repo = root.path().join("models--org--Tiny-GGUF");
    cached(&repo, NEW, "Tiny.gguf", "1", GGUF);
    let unfinished = write(repo.join("blobs/2.wick.incomplete"), b"GG");
    let library = library(root.path(), RootKind::HuggingFace);
    let removal = remove(&library, &id(&library, "Tiny"), root.path());
    assert_eq!(
        kept(&removal),
        [(text(&unfinished), "it is not all fetched yet")]
    );
    assert!(unfinished.exists());
}

#[test]
fn a_link_out_of_its_root_is_not_followed() {
    let (root, elsewhere) = (folder(), folder());
    let library = library(root.path(), RootKind::ModelsFolder);
    let target = model_file(elsewhere.path().join("target.gguf"));
    let link = root.path().join("link.gguf");
    symlink(&target, &link).expect("a link");
    let removal = remove(&library, &id(&library, "link"), root.path());
    let root_path = root.path().canonicalize().expect("it is there");
    let because = format!("it lies outside of {}", root_path.display());
    assert_eq!(kept(&removal), [(text(&target), because.as_str())]);
    assert!(target.exists() && !link.is_symlink());
    // The same for a folder on the way.
    symlink(elsewhere.path(), root.path().join("folder")).expect("a link");
    let removal = remove(&library, &id(&library, "target"), root.path());
    assert_eq!((removal.freed_bytes, removal.files.len()), (0, 0));
    assert!(target.exists());
    // And for a hostile link of a snapshot.
    let repo = root.path().join("models--org--Tiny-GGUF");
    let snapshot = repo.join("snapshots").join(NEW);
    fs::create_dir_all(&snapshot).expect("a folder");
    symlink(&target, snapshot.join("hostile.gguf")).expect("a link");
    fs::remove_file(root.path().join("folder")).expect("a link");
    remove(&library, &id(&library, "hostile"), root.path());
    assert!(target.exists() && !repo.exists());
}

#[test]
fn a_plain_model_goes_with_its_parts_its_links_and_its_projector() {
    let root = folder();
    let at = |name: &str| root.path().join(name);
    for part in 1..=2 {
        model_file(at(&format!("real/Big-0000{part}-of-00002.gguf")));
        let name = format!("Big-0000{part}-of-00002.gguf");
        symlink(format!("real/{name}"), at(&name)).expect("a link");
    }
    let stays = model_file(at("other.gguf"));
    let library = library(root.path(), RootKind::Added);
    let big = id(&library, "Big");
    // Two ways lead to it: the first goes, the second keeps the content.
    let removal = remove(&library, &big, root.path());
    assert_eq!((removal.files.len(), removal.freed_bytes), (2, 0));
    assert_eq!(removal.kept.len(), 2);
    assert_eq!(remove(&library, &big, root.path()).freed_bytes, 26);
    assert!(stays.exists() && at("real").is_dir());
}

#[test]
fn a_projector_goes_with_the_last_model_that_it_belongs_to() {
    let root = folder();
    let repo = root.path().join("google/gemma-3-GGUF");
    for name in ["gemma-3-Q4_0.gguf", "gemma-3-Q8_0.gguf", "mmproj-F16.gguf"] {
        model_file(repo.join(name));
    }
    let library = library(root.path(), RootKind::LmStudio);
    let removal = remove(&library, &id(&library, "Q4_0"), root.path());
    let [(_, because)] = kept(&removal)[..] else {
        panic!("{removal:?}")
    };
    assert!(
        because.starts_with("also used by ") && because.contains("Q8_0"),
        "{because}"
    );
    remove(&library, &id(&library, "Q8_0"), root.path());
    assert!(!root.path().join("google").exists() && root.path().exists());
}

#[test]
fn a_plain_folder_leaves_what_is_no_part_of_the_model() {
    let root = folder();
    let at = |name: &str| root.path().join("Tiny").join(name);
    write(at("config.json"), b"{}");
    write(at("model.safetensors"), b"weights");
    let notes = write(at("notes.txt"), b"mine");
    let below = write(at("runs/1.json"), b"mine");
    let library = library(root.path(), RootKind::ModelsFolder);
    let removal = remove(&library, &id(&library, "Tiny"), root.path());
    assert_eq!((removal.freed_bytes, removal.kept.len()), (9, 2));
    assert!(notes.exists() && below.exists());
}

#[test]
fn a_hard_link_keeps_the_content_and_is_said() {
    let root = folder();
    let model = model_file(root.path().join("models/a.gguf"));
    let second = root.path().join("second");
    fs::hard_link(&model, &second).expect("a link");
    let library = library(&root.path().join("models"), RootKind::ModelsFolder);
    let removal = remove(&library, &id(&library, "a"), root.path());
    assert_eq!(removal.freed_bytes, 0);
    let because = "its content has another name on this disk (a hard link)";
    assert_eq!(kept(&removal), [(text(&model), because)]);
    assert!(second.exists());
}

#[test]
fn what_came_with_wick_stays() {
    let root = folder();
    let model = model_file(root.path().join("starter.gguf"));
    let library = library(root.path(), RootKind::CameWithWick);
    let removal = remove(&library, &id(&library, "starter"), root.path());
    assert_eq!(kept(&removal), [(text(&model), "it came with Wick")]);
    assert_eq!(removal.files, []);
}

#[test]
fn ollama_keeps_the_blobs_that_another_manifest_names() {
    let root = folder();
    let store = root.path();
    write(blob(store, 1), b"GGUF 1");
    let licence = write(blob(store, 2), b"a licence");
    write(blob(store, 3), b"GGUF three");
    write(blob(store, 15), b"{}");
    let name = |name: &str| format!("registry.ollama.ai/library/{name}");
    let [one, three] = [
        layer("model", &digest(1), 6),
        layer("model", &digest(3), 10),
    ];
    let shared = layer("license", &digest(2), 9);
    let first = manifest(store, &name("a/1b"), &[one, shared.clone()]);
    let second = manifest(store, &name("b/3b"), &[three.clone(), shared]);
    let library = library(store, RootKind::Ollama);
    let removal = remove(&library, &id(&library, "a:1b"), store);
    let config = blob(store, 15);
    let because = "also used by b:3b";
    assert_eq!(
        kept(&removal),
        [(text(&licence), because), (text(&config), because)]
    );
    assert!(!first.parent().expect("a folder").exists() && second.exists());

    // Nobody knows what a damaged manifest names.
    let damaged = write(store.join("manifests").join(name("c/latest")), b"damaged");
    let removal = library.removal(&id(&library, "b:3b")).expect("it is there");
    assert_eq!((removal.files.len(), removal.kept.len()), (1, 3));
    fs::remove_file(damaged).expect("it is there");
    remove(&library, &id(&library, "b:3b"), store);
    assert_eq!(everything(store), BTreeMap::new());
    assert!(store.join("manifests").is_dir());
}

const XET: &str = "abcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcd";

/// A blob that is a link into the cache's shared store, as `huggingface_hub` 2.4 leaves it.
fn shared(cache: &Path, repo: &str, listed: &str) -> PathBuf {
    let store = cache.join("blobs");
    write(store.join(".huggingface-shared-blobs"), b"1\n");
    let content = write(store.join("ab").join(XET), b"GGUF shared");
    let repo = cache.join(repo);
    cached(&repo, NEW, "Tiny.gguf", "e1", None);
    fs::create_dir_all(repo.join("blobs")).expect("a folder");
    let link = format!("../../blobs/ab/{XET}");
    symlink(link, repo.join("blobs/e1")).expect("a link");
    write(content.with_extension("refs"), listed.as_bytes());
    content
}

#[test]
fn a_content_that_repositories_share_goes_with_the_last_of_them() {
    let root = folder();
    let listed = "models--o--a/blobs/e1\nmodels--o--b/blobs/e1\n../x/y\n/etc/passwd\n";
    let content = shared(root.path(), "models--o--a", listed);
    shared(root.path(), "models--o--b", listed);
    let library = library(root.path(), RootKind::HuggingFace);
    let model = id(&library, "Tiny.gguf");
    assert_eq!(model.0, text(&content.canonicalize().expect("it is there")));
    let removal = remove(&library, &model, root.path());
    assert_eq!((removal.freed_bytes, removal.files.len()), (0, 2));
    let [(path, because)] = kept(&removal)[..] else {
        panic!("{removal:?}")
    };
    assert_eq!(path, text(&content));
    assert!(because.starts_with("also used by o/"), "{because}");
    let removal = remove(&library, &model, root.path());
    assert_eq!(removal.freed_bytes, 11 + listed.len() as u64);
    assert!(!content.exists());
}

#[test]
fn a_shared_content_stays_if_nothing_tells_who_uses_it() {
    let root = folder();
    let content = shared(root.path(), "models--o--a", "");
    fs::remove_file(content.with_extension("refs")).expect("it is there");
    let library = library(root.path(), RootKind::HuggingFace);
    let removal = remove(&library, &id(&library, "Tiny"), root.path());
    assert_eq!(
        kept(&removal),
        [(text(&content), "nothing tells what else uses it")]
    );
    assert!(content.exists());
}

#[test]
fn what_changed_meanwhile_is_refused_and_nothing_is_removed() {
    let root = folder();
    let repo = root.path().join("models--org--Tiny-GGUF");
    cached(&repo, NEW, "Tiny.gguf", "1", GGUF);
    let library = library(root.path(), RootKind::HuggingFace);
    let model = id(&library, "Tiny");
    let check = |change: &dyn Fn()| {
        let removal = library.removal(&model).expect("it is there");
        change();
        let before = everything(root.path());
        let error = library.remove(&removal).expect_err("it has changed");
        assert!(matches!(error, Error::Changed { .. }), "{error:?}");
        assert_eq!(everything(root.path()), before);
    };
    check(&|| drop(cached(&repo, OLD, "Tiny.gguf", "1", None)));
    check(&|| drop(write(repo.join("blobs/1"), b"GGUF written anew")));
    check(&|| drop(write(repo.join("blobs/2.incomplete"), b"")));
    check(&|| fs::rename(&repo, root.path().join("models--org--Moved")).expect("a folder"));
    let gone = library.removal(&ModelId("/nowhere".into()));
    assert!(matches!(gone, Err(Error::NotFound { .. })));
}

/// A repository of some files in some commits: the content of each, 0 for none.
fn repository() -> impl Strategy<Value = Vec<[u8; 6]>> {
    let content = prop_oneof![2 => Just(0_u8), 3 => 1_u8..5];
    proptest::collection::vec(proptest::array::uniform6(content), 1..4)
}

const NAMES: [&str; 6] = [
    "a-Q4_0.gguf",
    "b-Q8_0.gguf",
    "below/c.gguf",
    "mmproj-F16.gguf",
    "README.md",
    "model.safetensors",
];

fn lay_out(repo: &Path, commits: &[[u8; 6]]) {
    for (number, files) in commits.iter().enumerate() {
        let commit = format!("{number}").repeat(40);
        for (name, content) in NAMES.iter().zip(files).filter(|(_, content)| **content > 0) {
            let length = usize::from(*content) * 100;
            let bytes = [&b"GGUF"[..], &vec![*content; length]].concat();
            cached(repo, &commit, name, &format!("b{content}"), Some(&bytes));
        }
        cached(repo, &commit, "config.json", "c", Some(b"{}"));
        write(repo.join(format!("refs/r{number}")), commit.as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn of_any_caches_what_is_not_in_a_removal_stays(
        first in repository(),
        second in repository(),
        choices in proptest::collection::vec(any::<(prop::sample::Index, bool)>(), 1..6),
    ) {
        let root = folder();
        lay_out(&root.path().join("models--o--first"), &first);
        lay_out(&root.path().join("models--o--second"), &second);
        let library = library(root.path(), RootKind::HuggingFace);
        for (choice, is_other) in choices {
            let models = library.look().models;
            if models.is_empty() {
                break;
            }
            let model = choice.get(&models);
            let removal = if is_other {
                library.removal_of_other_versions(&model.id)
            } else {
                library.removal(&model.id)
            };
            carry_out(&library, &removal.expect("a removal"), root.path());
            // No other model has lost anything, and no link leads nowhere.
            let left = library.look();
            prop_assert_eq!(&left.left_out, &[]);
            for other in &models {
                let is_left = left.models.iter().any(|left| left.id == other.id);
                prop_assert!(is_left || other.id == model.id, "{} is gone", other.path);
            }
            for path in everything(root.path()).keys() {
                prop_assert!(path.exists(), "{path:?} leads nowhere");
            }
        }
    }
}
