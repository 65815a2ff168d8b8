//! Folders of GGUF files and of safetensors.

use crate::{file_names, folder, library, model_file, models, write};
use hub::{Error, Library, Model};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

#[test]
fn models_lie_in_a_root_or_up_to_five_folders_deeper_and_are_sorted() {
    let root = folder();
    for path in [
        "c.gguf",
        "B.gguf",
        "1/2/3/4/5/a.GGUF",
        "1/2/3/4/5/6/no.gguf",
    ] {
        model_file(root.path().join(path));
    }
    assert_eq!(
        file_names(&models(&[(root.path(), "")])),
        ["a.GGUF", "B.gguf", "c.gguf"]
    );
}

#[test]
fn what_is_no_finished_model_is_left_out() {
    let root = folder();
    let at = |name: &str| root.path().join(name);
    for path in [
        "yes.gguf",
        ".hidden.gguf",
        ".hidden/no.gguf",
        "half.gguf.incomplete",
        "notes.txt",
        "gguf",
    ] {
        model_file(at(path));
    }
    write(at("foreign.gguf"), b"PK\x03\x04");
    write(at("short.gguf"), b"GGU");
    write(at("empty.gguf"), b"");
    fs::create_dir(at("folder.gguf")).expect("a folder");
    symlink("/nowhere/x.gguf", at("dangling.gguf")).expect("a link");
    symlink("circle.gguf", at("circle.gguf")).expect("a link");
    assert_eq!(file_names(&models(&[(root.path(), "")])), ["yes.gguf"]);
}

#[test]
fn a_missing_root_or_an_unreadable_file_hides_no_other() {
    let root = folder();
    model_file(root.path().join("yes.gguf"));
    let locked = model_file(root.path().join("locked.gguf"));
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).expect("permissions");
    let found = models(&[
        (Path::new("/nowhere/at/all"), ""),
        (Path::new(""), ""),
        (&root.path().join("yes.gguf"), "a file"),
        (root.path(), ""),
    ]);
    // The superuser reads everything.
    let readable = fs::read(&locked).is_ok();
    let expected: &[&str] = if readable {
        &["locked.gguf", "yes.gguf"]
    } else {
        &["yes.gguf"]
    };
    assert_eq!(file_names(&found), expected);
}

#[test]
fn a_model_tells_where_it_is_and_whence() {
    let root = folder();
    let path = model_file(root.path().join("Smol-1B.Q4_1.gguf"));
    let found = models(&[(root.path(), "Models folder")]);
    let canonical = path.canonicalize().expect("it is there");
    assert_eq!(
        serde_json::to_value(&found).expect("JSON"),
        serde_json::json!([{
            "id": canonical,
            "name": "Smol-1B",
            "quantization": "Q4_1",
            "file_name": "Smol-1B.Q4_1.gguf",
            "path": path,
            "size_bytes": 13,
            "source": "Models folder",
            "format": "gguf",
            "repo": null,
            "commit": null,
            "revision": null,
            "projector": null,
        }])
    );
}

#[test]
fn a_file_that_several_ways_lead_to_is_one_model_of_the_first_root() {
    let (first, second) = (folder(), folder());
    let blob = model_file(second.path().join("blob.gguf"));
    let link = first.path().join("name.Q8_0.gguf");
    symlink(&blob, &link).expect("a link");
    let roots = [
        (first.path(), "first"),
        (second.path(), "second"),
        (first.path(), "again"),
    ];
    let found = models(&roots);
    assert_eq!(file_names(&found), ["name.Q8_0.gguf"]);
    assert_eq!(found[0].source, "first");
    assert_eq!(found[0].path, link.to_str().expect("UTF-8"));
    assert_eq!(
        found[0].id.0,
        blob.canonicalize()
            .expect("it is there")
            .to_str()
            .expect("UTF-8")
    );
    let by_id = library(&roots).find(&found[0].id.0).expect("its id");
    assert_eq!(by_id, found[0]);
}

#[test]
fn a_path_by_hand_is_a_model_or_says_why_not() {
    let root = folder();
    let good = model_file(root.path().join("any.name"));
    let model = Library::model_at(&good).expect("GGUF inside");
    assert_eq!(model.name, "any.name");
    assert_eq!(model.source, root.path().to_str().expect("UTF-8"));

    let check = |path: &Path, expected: &str| {
        let error = Library::model_at(path).expect_err(expected);
        assert!(matches!(error, Error::NotAModel { .. }), "{error:?}");
        assert!(error.to_string().ends_with(expected), "{error}");
    };
    check(&root.path().join("none.gguf"), "there is no such file");
    check(&good.join("below.gguf"), "there is no such file");
    check(
        root.path(),
        "it is a folder without config.json and safetensors",
    );
    check(Path::new("/dev/zero"), "it is a device, not a file");
    let foreign = write(root.path().join("foreign.gguf"), b"PK\x03\x04");
    check(&foreign, "it does not begin as a GGUF file does");
}

#[test]
fn a_folder_with_weights_is_a_model_by_hand() {
    let root = folder();
    let path = root.path().join("Qwen3-0.6B");
    std::fs::create_dir(&path).expect("a folder");
    write(path.join("config.json"), b"{}");
    let check = |expected: &str| {
        let error = Library::model_at(&path).expect_err(expected);
        assert!(matches!(error, Error::NotAModel { .. }), "{error:?}");
        assert!(error.to_string().ends_with(expected), "{error}");
    };
    check("it is a folder without model.safetensors and without model.safetensors.index.json");
    write(path.join("model.safetensors.index.json"), b"[]");
    check("its model.safetensors.index.json is damaged");
    shards(&path);
    let model = Library::model_at(&path).expect("weights are there");
    assert_eq!((model.name.as_str(), model.size_bytes), ("Qwen3-0.6B", 15));
    assert_eq!(model.file_name, "Qwen3-0.6B");
    fs::remove_file(path.join("model-00002-of-00002.safetensors")).expect("it is there");
    check("its file model-00002-of-00002.safetensors is missing");
}

/// Weights of 15 bytes in two files, an index, and a file that the index doesn't name.
fn shards(folder: &Path) {
    write(folder.join("config.json"), b"{}");
    write(
        folder.join("model.safetensors.index.json"),
        br#"{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors",
            "c": "model-00001-of-00002.safetensors"}}"#,
    );
    write(folder.join("model-00001-of-00002.safetensors"), &[0; 10]);
    write(folder.join("model-00002-of-00002.safetensors"), &[0; 5]);
    write(folder.join("consolidated.safetensors"), &[0; 15]);
}

fn one_file(folder: impl AsRef<Path>, bytes: usize) {
    write(folder.as_ref().join("config.json"), b"{}");
    write(folder.as_ref().join("model.safetensors"), &vec![0; bytes]);
}

fn names_and_sizes(roots: &[(&Path, &str)]) -> Vec<(String, u64)> {
    let told = |model: Model| (model.name, model.size_bytes);
    models(roots).into_iter().map(told).collect()
}

#[test]
fn folders_with_weights_lie_in_a_root_or_deeper_and_come_after_the_files() {
    let root = folder();
    model_file(root.path().join("z.gguf"));
    one_file(root.path().join("Qwen3-0.6B-BF16"), 7);
    shards(&root.path().join("mistralai/Mistral-7B"));
    one_file(root.path().join(".hidden"), 1);
    one_file(root.path().join("a/b/c/d/e/f"), 1);
    write(root.path().join("LoRA/config.json"), b"{}");
    write(root.path().join("LoRA/adapter_model.safetensors"), b"x");
    shards(&root.path().join("half"));
    fs::remove_file(root.path().join("half/model-00001-of-00002.safetensors"))
        .expect("it is there");
    let expected = [("z", 13), ("Mistral-7B", 15), ("Qwen3-0.6B-BF16", 7)];
    assert_eq!(
        names_and_sizes(&[(root.path(), "")]),
        expected.map(|(name, size)| (name.to_owned(), size))
    );
    let found = library(&[(root.path(), "")])
        .find("qwen3")
        .expect("its name");
    assert_eq!(
        found.path,
        root.path().join("Qwen3-0.6B-BF16").to_str().expect("UTF-8")
    );
}

#[test]
fn a_repository_in_the_cache_is_one_model_under_its_own_name() {
    let root = folder();
    let repository = root.path().join("models--Qwen--Qwen3-0.6B");
    let snapshot = |commit: &str| repository.join("snapshots").join(commit);
    one_file(snapshot("aaaa"), 1);
    one_file(snapshot("bbbb"), 2);
    write(repository.join("refs/main"), b"aaaa");
    write(
        root.path()
            .join("models--a--half/snapshots/cccc/config.json"),
        b"{}",
    );
    write(
        root.path()
            .join("datasets--a--b/snapshots/dddd/data.parquet"),
        b"x",
    );
    let check = |expected: &[(&str, u64)]| {
        let found = names_and_sizes(&[(root.path(), "cache")]);
        let found: Vec<_> = found
            .iter()
            .map(|(name, size)| (name.as_str(), *size))
            .collect();
        assert_eq!(found, expected);
    };
    check(&[("Qwen/Qwen3-0.6B", 1)]);
    write(repository.join("refs/main"), b"bbbb\n");
    check(&[("Qwen/Qwen3-0.6B", 2)]);
    // Still being fetched: a link without its blob. What was whole before is taken.
    fs::remove_file(snapshot("bbbb").join("model.safetensors")).expect("it is there");
    symlink(
        "../../blobs/0123",
        snapshot("bbbb").join("model.safetensors"),
    )
    .expect("a link");
    check(&[("Qwen/Qwen3-0.6B", 1)]);
    write(repository.join("blobs/0123"), &[0; 5]);
    check(&[("Qwen/Qwen3-0.6B", 5)]);
    let library = library(&[(root.path(), "cache")]);
    for wanted in ["Qwen/Qwen3-0.6B", "qwen3-0"] {
        let found = library.find(wanted).expect(wanted);
        assert_eq!(found.path, snapshot("bbbb").to_str().expect("UTF-8"));
    }
    let by_hand = Library::model_at(snapshot("bbbb")).expect("weights");
    assert_eq!(by_hand.name, "Qwen/Qwen3-0.6B");
}

#[test]
fn a_ref_that_is_no_small_file_is_none() {
    let root = folder();
    let repository = root.path().join("models--a--b");
    one_file(repository.join("snapshots/aaaa"), 1);
    let main = write(repository.join("refs/main"), b"");
    let check = || {
        let found = names_and_sizes(&[(root.path(), "cache")]);
        assert_eq!(found, [("a/b".to_owned(), 1)]);
        fs::remove_file(&main).expect("it is there");
    };
    fs::write(&main, [b'a'; 257]).expect("a file");
    check();
    symlink("/dev/zero", &main).expect("a link");
    check();
    let made = std::process::Command::new("mkfifo").arg(&main).status();
    assert!(made.expect("mkfifo starts").success());
    check();
}

#[test]
fn a_model_in_several_files_is_one_whose_parts_are_all_there() {
    let root = folder();
    let at = |name: &str| root.path().join(name);
    for part in 1..=3 {
        model_file(at(&format!("Big-70B-Q4_K_M-0000{part}-of-00003.gguf")));
    }
    model_file(at("Cut-1B-00001-of-00002.gguf"));
    model_file(at("Late-1B-00002-of-00002.gguf"));
    model_file(at("Strange-00005-of-00002.gguf"));
    let found = models(&[(root.path(), "")]);
    assert_eq!(
        file_names(&found),
        [
            "Big-70B-Q4_K_M-00001-of-00003.gguf",
            "Strange-00005-of-00002.gguf"
        ]
    );
    let [big, _] = &found[..] else { unreachable!() };
    assert_eq!((big.name.as_str(), big.size_bytes), ("Big-70B", 3 * 13));
    let by_path = Library::model_at(at("Big-70B-Q4_K_M-00003-of-00003.gguf")).expect("a model");
    assert_eq!(by_path.id, big.id);
    let cut = Library::model_at(at("Cut-1B-00001-of-00002.gguf")).expect_err("no model");
    assert!(
        cut.to_string()
            .contains("Cut-1B-00002-of-00002.gguf is missing"),
        "{cut}"
    );
    let late = Library::model_at(at("Late-1B-00002-of-00002.gguf")).expect_err("no model");
    assert!(
        late.to_string()
            .contains("Late-1B-00001-of-00002.gguf is missing"),
        "{late}"
    );
}
