//! Headers without weights.

use crate::{Desk, id};
use fake_hub::{Content, Fault, Host};
use hub::{Commit, Error, FileHash, Hub, RepoFile, Variant};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const REPO: &str = "a/b";

/// A GGUF file with so long a text in its header, and so many bytes of weights behind it; and how long its header is.
fn gguf(text_bytes: usize, weights_bytes: usize) -> (Vec<u8>, usize) {
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend(0_u64.to_le_bytes());
    file.extend(1_u64.to_le_bytes());
    file.extend(1_u64.to_le_bytes());
    file.extend(b"k\x08\0\0\0");
    file.extend((text_bytes as u64).to_le_bytes());
    file.extend(vec![b't'; text_bytes]);
    let header = file.len();
    file.extend(vec![b'w'; weights_bytes]);
    (file, header)
}

/// Commits these files; the only variant of the repository then.
async fn offered(desk: &Desk, hub: &Hub, files: &[(&str, Content)]) -> (Commit, Variant) {
    desk.fake.commit(REPO, "main", files);
    let repo = hub.repo(&id(REPO), "main").await.expect("a repository");
    let [variant] = &repo.variants[..] else {
        panic!("{:?}", repo.variants)
    };
    desk.fake.forget();
    (repo.commit, variant.clone())
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("UTF-8");
    let mut names: Vec<_> = entries
        .map(|entry| name(entry.expect("an entry")))
        .collect();
    names.sort();
    names
}

/// The header as it was, then nothing up to the length of the file.
fn check_file(path: &Path, file: &[u8], header: usize) {
    let found = fs::read(path).expect("a file");
    assert_eq!(found.len(), file.len());
    assert!(found[..header] == file[..header], "another header");
    assert!(found[header..].iter().all(|byte| *byte == 0), "no hole");
}

#[tokio::test]
async fn a_header_comes_without_the_weights_and_once() {
    let desk = Desk::new().await;
    let hub = desk.hub();
    let into = desk.home.path().join("headers");
    let (file, header) = gguf(5 << 20, 32 << 20);
    let content = Content::from(file.clone());
    let (commit, variant) = offered(&desk, &hub, &[("m-Q8_0.gguf", content)]).await;
    let path = hub.header(&id(REPO), &commit, &variant, &into).await;
    let path = path.expect("a header");
    assert_eq!(path, into.join("m-Q8_0.gguf"));
    check_file(&path, &file, header);
    let on_disk = path.metadata().expect("a file").blocks() * 512;
    assert!(
        on_disk < (file.len() / 2) as u64,
        "{on_disk} bytes on the disk"
    );
    let ranges: Vec<_> = desk
        .requests(Host::Cdn)
        .into_iter()
        .map(|seen| seen.range)
        .collect();
    assert_eq!(ranges, [Some(0..2 << 20), Some(2 << 20..header as u64)]);

    desk.fake.forget();
    let again = hub.header(&id(REPO), &commit, &variant, &into).await;
    assert_eq!(again.expect("a header"), path);
    assert_eq!(desk.fake.requests(), []);
    assert_eq!(names(&into), ["m-Q8_0.gguf"]);
}

#[tokio::test]
async fn real_models_give_their_headers() {
    let desk = Desk::new().await;
    let hub = desk.hub();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/reference/models");
    for name in ["llama", "gpt-oss", "qwen35moe"] {
        let model = models.join(name).join("model.gguf");
        let content = Content::File(model.clone());
        let (commit, variant) = offered(&desk, &hub, &[("m.gguf", content)]).await;
        let into = desk.home.path().join(name);
        let path = hub
            .header(&id(REPO), &commit, &variant, &into)
            .await
            .expect("a header");
        let (found, model) = (
            fs::read(path).expect("a file"),
            fs::read(model).expect("a file"),
        );
        let header = found.iter().rposition(|byte| *byte != 0).expect("a header") + 1;
        check_file(&into.join("m.gguf"), &model, header);
        assert!(header > 1000 && found.len() == model.len(), "{header}");
    }
}

#[tokio::test]
async fn all_parts_come_beside_each_other() {
    let desk = Desk::new().await;
    let hub = desk.hub();
    let into = desk.home.path().join("headers");
    let parts: Vec<_> = (1..=5).map(|part| gguf(part * 1000, 300_000)).collect();
    let names_of: Vec<_> = (1..=5)
        .map(|part| format!("Q8_0/m-Q8_0-{part:05}-of-00005.gguf"))
        .collect();
    let files = names_of.iter().zip(&parts);
    let files: Vec<_> = files
        .into_iter()
        .map(|(name, (file, _))| (name.as_str(), Content::from(file.clone())))
        .collect();
    let (commit, variant) = offered(&desk, &hub, &files).await;
    let path = hub
        .header(&id(REPO), &commit, &variant, &into)
        .await
        .expect("headers");
    assert_eq!(path, into.join("m-Q8_0-00001-of-00005.gguf"));
    for (number, (file, header)) in (1..).zip(&parts) {
        check_file(
            &into.join(format!("m-Q8_0-{number:05}-of-00005.gguf")),
            file,
            *header,
        );
    }
    assert_eq!(names(&into).len(), 5);
}

#[tokio::test]
async fn a_folder_has_its_config_and_the_headers_of_its_shards() {
    let desk = Desk::new().await;
    let hub = desk.hub();
    let into = desk.home.path().join("headers");
    let json = format!("{{\"a\": \"{}\"}}", "x".repeat(400_000));
    let shard = [
        &(json.len() as u64).to_le_bytes()[..],
        json.as_bytes(),
        &vec![b'w'; 900_000],
    ]
    .concat();
    let index = r#"{"weight_map": {}}"#;
    let files = [
        ("config.json", Content::from("{\"model_type\": \"llama\"}")),
        ("model.safetensors.index.json", Content::from(index)),
        (
            "model-00001-of-00002.safetensors",
            Content::from(shard.clone()),
        ),
        (
            "model-00002-of-00002.safetensors",
            Content::from(shard.clone()),
        ),
        ("tokenizer.json", Content::from("{}")),
    ];
    let (commit, variant) = offered(&desk, &hub, &files).await;
    let path = hub
        .header(&id(REPO), &commit, &variant, &into)
        .await
        .expect("headers");
    assert_eq!(path, into);
    let expected = [
        "config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    ];
    assert_eq!(names(&into), expected);
    check_file(&into.join(expected[1]), &shard, 8 + json.len());
    assert_eq!(
        fs::read_to_string(into.join(expected[3])).expect("a file"),
        index
    );
}

#[tokio::test]
async fn a_server_without_ranges_gives_the_header_too() {
    let desk = Desk::new().await;
    let hub = desk.hub();
    let (file, header) = gguf(5 << 20, 8 << 20);
    let content = Content::from(file.clone());
    let (commit, variant) = offered(&desk, &hub, &[("m.gguf", content)]).await;
    for (number, fault) in [Fault::ignore_range(), Fault::no_ranges()]
        .into_iter()
        .enumerate()
    {
        desk.fake.fault(fault.always());
        let into = desk.home.path().join(number.to_string());
        let path = hub
            .header(&id(REPO), &commit, &variant, &into)
            .await
            .expect("a header");
        check_file(&path, &file, header);
        desk.fake.behave();
    }
}

#[tokio::test]
async fn what_goes_wrong_on_the_way_leaves_nothing_with_a_final_name() {
    let desk = Desk::new().await;
    let hub = desk.hub();
    let into = desk.home.path().join("headers");
    let (file, header) = gguf(5 << 20, 8 << 20);
    let content = Content::from(file.clone());
    let (commit, variant) = offered(&desk, &hub, &[("m.gguf", content)]).await;
    let faults = [
        Fault::cut(1 << 20),
        Fault::shorter(1000),
        Fault::other_range(4096),
        Fault::hang_up().on(Host::Cdn),
        Fault::status(503).on(Host::Cdn),
        Fault::expired(),
        Fault::redirect_loop().always(),
    ];
    for fault in faults {
        let text = format!("{fault:?}");
        desk.fake.fault(fault);
        let error = hub.header(&id(REPO), &commit, &variant, &into).await;
        assert!(
            matches!(error, Err(Error::Server { .. } | Error::Offline { .. })),
            "{text}: {error:?}"
        );
        assert_eq!(names(&into), [] as [&str; 0], "{text}");
        desk.fake.behave();
    }
    let path = hub
        .header(&id(REPO), &commit, &variant, &into)
        .await
        .expect("a header");
    check_file(&path, &file, header);
}

#[tokio::test]
async fn what_is_no_header_or_too_long_a_one_is_refused_soon() {
    let desk = Desk::new().await;
    let hub = desk.hub();
    let refused = async |name: &str, file: Vec<u8>, expected: &str| {
        let content = Content::from(file);
        let files = [("config.json", Content::from("{}")), (name, content)];
        let (commit, variant) = offered(&desk, &hub, &files).await;
        let into: PathBuf = desk.home.path().join("headers");
        let error = hub.header(&id(REPO), &commit, &variant, &into).await;
        let error = error.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
        let fetched: u64 = desk
            .requests(Host::Cdn)
            .iter()
            .map(|seen| seen.bytes_sent)
            .sum();
        assert!(fetched < 4 << 20, "{fetched} bytes");
        assert!(!into.join(name).exists());
    };
    let mut long = gguf(0, 100 << 20).0;
    long[37..45].copy_from_slice(&(65_u64 << 20).to_le_bytes());
    refused("m.gguf", long.clone(), "at least 68157").await;
    long[37..45].copy_from_slice(&u64::MAX.to_le_bytes());
    refused("m.gguf", long, "longer than any file").await;
    refused("m.gguf", gguf(100, 0).0[..60].to_vec(), "at least").await;
    refused(
        "m.gguf",
        b"PK\x03\x04 and so on".to_vec(),
        "does not begin with GGUF",
    )
    .await;
    refused("m.gguf", Vec::new(), "at least 4 bytes").await;
    refused("model.safetensors", vec![0xff; 100], "longer than any file").await;
    refused(
        "model.safetensors",
        vec![9, 0, 0, 0, 0, 0, 0, 0, b'{'],
        "at least 17 bytes",
    )
    .await;
}

#[tokio::test]
async fn dropped_in_the_middle_it_leaves_what_is_whole_and_can_go_on() {
    let desk = Desk::new().await;
    let hub = desk.hub();
    let into = desk.home.path().join("headers");
    let (file, header) = gguf(1000, 300_000);
    let files = [
        ("m-00001-of-00002.gguf", Content::from(file.clone())),
        ("m-00002-of-00002.gguf", Content::from(file.clone())),
    ];
    let (commit, variant) = offered(&desk, &hub, &files).await;
    desk.fake.fault(Fault::stall(100).path("m-00002").always());
    let repo = id(REPO);
    {
        let fetching = hub.header(&repo, &commit, &variant, &into);
        let stalled = desk
            .fake
            .seen(|seen| seen.path.contains("m-00002") && seen.bytes_sent > 0);
        tokio::select! {
            done = fetching => panic!("{done:?}"),
            _ = stalled => {}
        }
    }
    assert!(!into.join("m-00002-of-00002.gguf").exists());
    desk.fake.behave();
    let path = hub
        .header(&repo, &commit, &variant, &into)
        .await
        .expect("headers");
    check_file(&path, &file, header);
    assert_eq!(names(&into).len(), 2);
}

#[tokio::test]
async fn a_name_that_leads_out_of_the_folder_is_refused() {
    let desk = Desk::new().await;
    let file = RepoFile {
        path: "../m.gguf".into(),
        size_bytes: 100,
        hash: FileHash::GitSha1("0".repeat(40)),
    };
    let variant = Variant {
        key: file.path.clone(),
        label: "m".into(),
        quantization: None,
        format: hub::Format::Gguf,
        size_bytes: 100,
        files: vec![file],
    };
    let commit = "0".repeat(40).try_into().expect("a commit");
    let error = desk
        .hub()
        .header(&id(REPO), &commit, &variant, desk.home.path())
        .await;
    assert!(matches!(error, Err(Error::UnsafePath { .. })), "{error:?}");
    assert_eq!(desk.fake.requests(), []);
}
