//! Models that other tools brought, where those keep them.

use crate::lay_out::{HEX, NEW, OLD, blob, cached, digest, layer, manifest};
use crate::{folder, library, model_file, text, write};
use hub::{Format, Library, LibraryRoot, Looked, Model, RootKind};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

fn look(path: &Path, kind: RootKind) -> Looked {
    Library::new(vec![LibraryRoot::new(path, kind)]).look()
}

fn paths(looked: &Looked) -> Vec<&str> {
    let models = looked.models.iter();
    models.map(|model| model.path.as_str()).collect()
}

fn reasons(looked: &Looked) -> Vec<&str> {
    let left_out = looked.left_out.iter();
    left_out.map(|left| left.reason.as_str()).collect()
}

#[test]
fn a_gguf_file_of_the_cache_is_one_model_through_all_its_commits() {
    let root = folder();
    let repo = root.path().join("models--org--Tiny-GGUF");
    let content = Some(&b"GGUF 1"[..]);
    let old = cached(&repo, OLD, "Tiny-Q8_0.gguf", "1", content);
    let new = cached(&repo, NEW, "Tiny-Q8_0.gguf", "1", None);
    let below = cached(&repo, NEW, "Q4_K_M/Tiny-Q4_K_M.gguf", "2", content);
    let sees = cached(&repo, NEW, "mmproj-F16.gguf", "3", content);
    cached(&repo, NEW, "README.md", "4", Some(b"a card"));
    let unfinished = cached(&repo, NEW, "Tiny-F16.gguf", "5", None);
    write(repo.join("refs/main"), NEW.as_bytes());
    let looked = look(root.path(), RootKind::HuggingFace);
    assert_eq!(paths(&looked), [text(&below), text(&new)]);
    assert_eq!(
        reasons(&looked),
        [""; 0],
        "{unfinished:?} is still being fetched"
    );
    let [model, _] = &looked.models[..] else {
        unreachable!()
    };
    let repo_id = model.repo.as_ref().map(hub::RepoId::as_str);
    assert_eq!(repo_id, Some("org/Tiny-GGUF"));
    assert_eq!(model.commit.as_ref().map(hub::Commit::as_str), Some(NEW));
    assert_eq!(model.revision.as_deref(), Some("main"));
    assert_eq!(model.projector.as_deref(), Some(text(&sees)));
    assert_eq!((model.format, model.size_bytes), (Format::Gguf, 6));
    assert_eq!(model.source, "Hugging Face cache");
    assert!(model.id.0.ends_with("/blobs/2"), "{}", model.id);
    let by_hand = Library::model_at(&below).expect("a model");
    assert_eq!(
        (&by_hand.repo, &by_hand.commit),
        (&model.repo, &model.commit)
    );

    write(repo.join("refs/main"), OLD.as_bytes());
    let looked = look(root.path(), RootKind::HuggingFace);
    assert_eq!(paths(&looked), [text(&below), text(&old)]);
}

#[test]
fn of_a_file_that_changed_between_commits_the_newest_whole_one_is_the_model() {
    let root = folder();
    let repo = root.path().join("models--org--Tiny-GGUF");
    let old = cached(&repo, OLD, "Tiny.gguf", "1", Some(b"GGUF 1"));
    let new = cached(&repo, NEW, "Tiny.gguf", "2", None);
    write(repo.join("refs/main"), NEW.as_bytes());
    assert_eq!(
        paths(&look(root.path(), RootKind::HuggingFace)),
        [text(&old)]
    );
    write(repo.join("blobs/2"), b"GGUF 2");
    assert_eq!(
        paths(&look(root.path(), RootKind::HuggingFace)),
        [text(&new)]
    );
    // In parts, of which one is not there yet.
    let parts = root.path().join("models--org--Parts-GGUF");
    let first = cached(&parts, NEW, "P-00001-of-00002.gguf", "1", Some(b"GGUF 1"));
    assert_eq!(
        look(&parts, RootKind::Added),
        Looked {
            models: vec![],
            left_out: vec![]
        }
    );
    cached(&parts, NEW, "P-00002-of-00002.gguf", "2", Some(b"GGUF two"));
    let looked = look(&parts, RootKind::Added);
    assert_eq!(
        (paths(&looked), looked.models[0].size_bytes),
        (vec![text(&first)], 14)
    );
}

#[test]
fn a_data_set_in_the_cache_is_passed_over() {
    let root = folder();
    model_file(root.path().join("datasets--a--b/x.gguf"));
    model_file(root.path().join("blobs/00/deeper/x.gguf"));
    assert_eq!(paths(&look(root.path(), RootKind::HuggingFace)), [""; 0]);
}

#[test]
fn lm_studio_s_models_lie_two_folders_deep() {
    let root = folder();
    let repo = root.path().join("google/gemma-3-4B-it-qat-GGUF");
    let model = model_file(repo.join("gemma-3-4B-it-QAT-Q4_0.gguf"));
    let sees = model_file(repo.join("mmproj-model-f16.gguf"));
    let looked = look(root.path(), RootKind::LmStudio);
    assert_eq!(paths(&looked), [text(&model)]);
    assert_eq!(looked.models[0].projector.as_deref(), Some(text(&sees)));
    assert_eq!(looked.models[0].source, "LM Studio");
    assert_eq!(looked.left_out, []);
    let by_hand = Library::model_at(&model).expect("a model");
    assert_eq!(by_hand.projector.as_deref(), Some(text(&sees)));
    let error = Library::model_at(&sees)
        .expect_err("a projector")
        .to_string();
    assert!(
        error.ends_with("it belongs to a model and is none itself"),
        "{error}"
    );
}

#[test]
fn ollama_s_models_go_by_name_and_tag_and_are_its_blobs() {
    let root = folder();
    let store = root.path();
    let weights = write(blob(store, 1), b"GGUF 1");
    let sees = write(blob(store, 2), b"GGUF sees");
    write(
        blob(store, 15),
        br#"{"file_type": "Q4_K_M", "model_family": "gemma3"}"#,
    );
    let layers = [
        layer("model", &digest(1), 6),
        layer("projector", &digest(2), 9),
    ];
    let library_name = "registry.ollama.ai/library/gemma3/4b";
    let first = manifest(store, library_name, &layers);
    let looked = look(store, RootKind::Ollama);
    let [model] = &looked.models[..] else {
        panic!("{looked:?}")
    };
    let Model {
        name,
        file_name,
        quantization,
        path,
        projector,
        ..
    } = model;
    assert_eq!(
        (name.as_str(), file_name.as_str()),
        ("gemma3:4b", "gemma3:4b")
    );
    assert_eq!(quantization.as_deref(), Some("Q4_K_M"));
    assert_eq!(
        (path.as_str(), projector.as_deref()),
        (text(&weights), Some(text(&sees)))
    );
    assert_eq!(looked.left_out, []);
    let found = library(&[(store, "")]).find("gemma3:4b").expect("its name");
    assert_eq!(found.id, model.id);

    let check = |name: &str, expected: &str, repo: Option<&str>| {
        fs::remove_dir_all(store.join("manifests")).expect("it is there");
        manifest(store, name, &layers);
        let looked = look(store, RootKind::Ollama);
        let found: Vec<_> = looked
            .models
            .iter()
            .map(|model| model.name.as_str())
            .collect();
        assert_eq!(found, [expected]);
        assert_eq!(
            looked.models[0].repo.as_ref().map(hub::RepoId::as_str),
            repo
        );
    };
    check("registry.ollama.ai/me/mine/latest", "me/mine:latest", None);
    let hub_name = "hf.co/bartowski/Llama-3.2-1B-GGUF";
    let repo = Some("bartowski/Llama-3.2-1B-GGUF");
    check(
        &format!("{hub_name}/Q8_0"),
        &format!("{hub_name}:Q8_0"),
        repo,
    );
    assert!(!first.exists());
}

#[test]
fn a_damaged_or_hostile_manifest_is_left_out_and_said() {
    let root = folder();
    let store = root.path();
    write(blob(store, 1), b"GGUF 1");
    write(blob(store, 2), b"PK\x03\x04 6");
    write(store.join("secret.gguf"), b"GGUF 1");
    let check = |layers: &[serde_json::Value], expected: &str| {
        let path = manifest(store, "registry.ollama.ai/library/a/b", layers);
        let looked = look(store, RootKind::Ollama);
        assert_eq!((paths(&looked), reasons(&looked)), (vec![], vec![expected]));
        assert_eq!(looked.left_out[0].path, text(&path));
    };
    let hostile = "Ollama's manifest of it names a file that can't be one";
    let climbing = format!("sha256:{}", "../".repeat(20) + "ab/x");
    for digest in [
        "sha256:../../secret.gguf",
        &climbing,
        "sha256-abc",
        "",
        &HEX.repeat(2),
    ] {
        check(&[layer("model", digest, 6)], hostile);
    }
    let bad_beside = [
        layer("model", &digest(1), 6),
        layer("license", "sha256:/etc/passwd", 1),
    ];
    check(&bad_beside, hostile);
    check(&[], "it holds no GGUF model");
    check(&[layer("model", &digest(3), 6)], "its weights are missing");
    check(
        &[layer("model", &digest(1), 7)],
        "its weights have 6 bytes of 7",
    );
    check(
        &[layer("model", &digest(2), 6)],
        "it does not begin as a GGUF file does",
    );
    let two = [layer("model", &digest(1), 6), layer("model", &digest(2), 6)];
    check(&two, "its weights are in several files");
    let adapter = [
        layer("model", &digest(1), 6),
        layer("adapter", &digest(2), 6),
    ];
    check(&adapter, "it is an adapter for another model");

    let name = store.join("manifests/registry.ollama.ai/library/a/b");
    let damaged = |content: &[u8]| {
        write(&name, content);
        let looked = look(store, RootKind::Ollama);
        assert_eq!(paths(&looked), [""; 0]);
        assert_eq!(reasons(&looked), ["Ollama's manifest of it is damaged"]);
    };
    damaged(b"");
    damaged(b"[]");
    damaged(br#"{"layers": [{"mediaType": "x", "digest": "y", "size": -1}]}"#);
    damaged("[".repeat(100_000).as_bytes());
    damaged(" ".repeat((1 << 20) + 1).as_bytes());
    fs::remove_file(&name).expect("it is there");
    symlink("/dev/zero", &name).expect("a link");
    assert_eq!(
        reasons(&look(store, RootKind::Ollama)),
        ["Ollama's manifest of it is damaged"]
    );
}

#[test]
fn a_folder_with_links_in_circles_ends_and_counts_each_model_once() {
    let root = folder();
    let model = model_file(root.path().join("a/x.gguf"));
    symlink("..", root.path().join("a/up")).expect("a link");
    // Followed without remembering, these are a hundred thousand folders.
    for number in 0..10 {
        symlink(".", root.path().join(format!("a/{number}"))).expect("a link");
    }
    symlink(root.path(), root.path().join("around")).expect("a link");
    let looked = look(root.path(), RootKind::Added);
    assert_eq!(
        (paths(&looked), reasons(&looked)),
        (vec![text(&model)], vec![])
    );
}

#[test]
fn of_a_giant_folder_the_nearest_files_are_looked_at() {
    let root = folder();
    let near = model_file(root.path().join("near.gguf"));
    let heap = root.path().join("heap");
    fs::create_dir(&heap).expect("a folder");
    let first = write(heap.join("0"), b"");
    for index in 1..20_000 {
        fs::hard_link(&first, heap.join(index.to_string())).expect("a link");
    }
    model_file(root.path().join("heap/deeper/far.gguf"));
    let looked = look(root.path(), RootKind::Added);
    assert_eq!(paths(&looked), [text(&near)]);
    let expected = "more than 20000 files lie in it: the rest was left out";
    assert_eq!(reasons(&looked), [expected]);
}

#[test]
fn what_is_left_out_is_told_with_its_reason() {
    let root = folder();
    let at = |name: &str| root.path().join(name);
    write(at("foreign.gguf"), b"PK\x03\x04");
    symlink("/nowhere/x.gguf", at("nowhere.gguf")).expect("a link");
    for part in [2, 3] {
        model_file(at(&format!("Cut-0000{part}-of-00003.gguf")));
    }
    write(at("half/config.json"), b"{}");
    write(
        at("half/model.safetensors.index.json"),
        br#"{"weight_map": {"a": "a.safetensors"}}"#,
    );
    model_file(at("download.gguf.incomplete"));
    let looked = look(root.path(), RootKind::ModelsFolder);
    let told: Vec<_> = looked
        .left_out
        .iter()
        .map(|left| (left.path.as_str(), left.reason.as_str()))
        .collect();
    let (cut, foreign) = (at("Cut-00001-of-00003.gguf"), at("foreign.gguf"));
    let (half, nowhere) = (at("half"), at("nowhere.gguf"));
    let expected = [
        (text(&cut), "there is no such file"),
        (text(&foreign), "it does not begin as a GGUF file does"),
        (text(&nowhere), "there is no such file"),
        (text(&half), "its file a.safetensors is missing"),
    ];
    assert_eq!(told, expected);
    let nowhere = LibraryRoot::added("/nowhere/at/all");
    assert_eq!(Library::new(vec![nowhere]).look().left_out, []);
}

#[test]
fn the_usage_of_a_root_is_what_its_models_take_or_the_whole_cache() {
    let (root, cache) = (folder(), folder());
    model_file(root.path().join("a.gguf"));
    write(root.path().join("film.mkv"), &[0; 1000]);
    let repo = cache.path().join("models--org--Tiny-GGUF");
    cached(&repo, NEW, "Tiny.gguf", "1", Some(b"GGUF 1"));
    write(repo.join("blobs/2.incomplete"), &[0; 100]);
    let roots = vec![
        LibraryRoot::new(root.path(), RootKind::ModelsFolder),
        LibraryRoot::new(cache.path(), RootKind::HuggingFace),
        LibraryRoot::new("/nowhere/at/all", RootKind::Ollama),
    ];
    let usage = Library::new(roots).usage();
    let told: Vec<_> = usage.iter().map(|root| (root.bytes, root.models)).collect();
    assert_eq!(told, [(13, 1), (106, 1), (0, 0)]);
}
