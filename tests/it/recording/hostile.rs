//! Recordings that are broken, hostile, too large or none at all.
//!
//! What must hold: no panic, nothing read from outside, and what was left out is said.
#![expect(clippy::indexing_slicing, reason = "headers are written by hand")]

use super::*;

/// An archive with entries that the tar crate itself refuses to write.
fn hostile(path: &Path) {
    let mut tar = tar::Builder::new(fs::File::create(path).unwrap());
    let mut add = |name: &str, kind: tar::EntryType, target: &str, text: &[u8]| {
        let mut header = tar::Header::new_gnu();
        let gnu = header.as_gnu_mut().unwrap();
        gnu.name[..name.len()].copy_from_slice(name.as_bytes());
        gnu.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, text).unwrap();
    };
    add("good.json", tar::EntryType::Regular, "", pod("good").as_bytes());
    add("../outside.json", tar::EntryType::Regular, "", pod("outside").as_bytes());
    add("/etc/absolute.json", tar::EntryType::Regular, "", pod("absolute").as_bytes());
    add("a/../../climbs.json", tar::EntryType::Regular, "", pod("climbs").as_bytes());
    add("link.json", tar::EntryType::Symlink, "/etc/passwd", b"");
    add("hard.json", tar::EntryType::Link, "/etc/passwd", b"");
    add(
        "broken.json",
        tar::EntryType::Regular,
        "",
        br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"#,
    );
    add("deep.json", tar::EntryType::Regular, "", "[".repeat(200_000).as_bytes());
    add("bomb.yaml", tar::EntryType::Regular, "", bomb().as_bytes());
    add("binary.json", tar::EntryType::Regular, "", &[0, 159, 146, 150]);
    add("also-good.json", tar::EntryType::Regular, "", pod("also-good").as_bytes());
    tar.finish().unwrap();
}

/// Aliases that unfold to a billion words.
fn bomb() -> String {
    let mut text =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: bomb, namespace: a}\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
            .to_owned();
    for level in 1..10 {
        let before = format!("*a{}", level - 1);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", [before.as_str(); 10].join(",")));
    }
    text
}

#[test]
fn hostile_archives_are_read_without_harm_and_said() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("hostile.tar");
    hostile(&path);
    let read = Recording::at(&path);
    let inventory = read.inventory.look();
    let names: Vec<String> = inventory.pods().iter().map(|pod| pod.meta.key.name.to_string()).collect();
    assert_eq!(names, ["also-good", "good"]);
    let notes = read.opened.notes.join("\n");
    for said in [
        "outside.json",
        "absolute.json",
        "climbs.json",
        "link.json",
        "hard.json",
        "broken.json",
        "deep.json",
        "bomb.yaml",
        "binary.json",
    ] {
        assert!(notes.contains(said), "{said} is not in:\n{notes}");
    }
}

#[test]
fn a_cut_archive_gives_what_came_before_the_cut() {
    let temp = tempfile::tempdir().unwrap();
    let whole = temp.path().join("whole.tar.gz");
    pack(&fixture("must-gather"), "must-gather", &whole);
    let bytes = fs::read(&whole).unwrap();
    let cut = temp.path().join("cut.tar.gz");
    fs::write(&cut, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let inventory = SharedInventory::default();
    let opened = recording::open(&cut, &inventory).unwrap();
    assert!(opened.notes.iter().any(|note| note.contains("broken")), "{:?}", opened.notes);
    let states: Vec<&str> =
        Kind::ALL.iter().map(|kind| inventory.look().status(*kind).sync.as_str()).collect();
    assert!(!states.contains(&"synced"), "nothing may be taken for complete: {states:?}");
}

#[test]
fn what_is_no_recording_is_refused_with_what_was_looked_for() {
    let temp = tempfile::tempdir().unwrap();
    let refused = |path: &Path, limits: Limits| {
        let error = recording::open_within(path, limits, &SharedInventory::default()).err().expect("refused");
        format!("{error:#}")
    };
    let all = Limits::default();
    let empty = temp.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(refused(&empty, all).contains("no Kubernetes object"), "{}", refused(&empty, all));
    assert!(refused(&temp.path().join("nowhere"), all).contains("nowhere"));
    let zip = temp.path().join("a.zip");
    fs::write(&zip, b"PK\x03\x04rest").unwrap();
    assert!(refused(&zip, all).contains("unpack it"));
    let text = temp.path().join("notes.txt");
    fs::write(&text, "hello").unwrap();
    assert!(refused(&text, all).contains("neither"));

    let large = temp.path().join("large");
    fs::create_dir(&large).unwrap();
    for number in 0..9 {
        fs::write(large.join(format!("{number}.json")), pod(&format!("pod-{number}"))).unwrap();
    }
    assert!(refused(&large, Limits { files: 5, ..all }).contains("more than 5 files"));
    assert!(refused(&large, Limits { bytes: 500, ..all }).contains("unpacked"));
    let packed = temp.path().join("large.tar.gz");
    let mut zeros = fs::create_dir_all(temp.path().join("zeros"))
        .map(|()| fs::File::create(temp.path().join("zeros/z.json")))
        .unwrap()
        .unwrap();
    zeros.write_all(&vec![b' '; 4 << 20]).unwrap();
    pack(&temp.path().join("zeros"), "z", &packed);
    assert!(refused(&packed, Limits { bytes: 1 << 20, ..all }).contains("1 MiB unpacked"));
}

#[cfg(unix)]
#[test]
fn links_in_a_folder_are_not_followed() {
    let temp = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("pods.json"), pod("outside")).unwrap();
    fs::write(temp.path().join("pods.json"), pod("inside")).unwrap();
    std::os::unix::fs::symlink(outside.path(), temp.path().join("more")).unwrap();
    std::os::unix::fs::symlink(temp.path(), temp.path().join("loop")).unwrap();
    let read = Recording::at(temp.path());
    assert_eq!(read.inventory.look().pods().len(), 1);
    assert_eq!(read.opened.notes.len(), 2, "{:?}", read.opened.notes);
}

#[test]
fn a_kind_of_which_a_file_is_broken_is_not_taken_for_complete() {
    let temp = tempfile::tempdir().unwrap();
    let list = format!(r#"{{"apiVersion":"v1","kind":"List","items":[{},{}"#, pod("first"), pod("second"));
    fs::write(temp.path().join("pods.json"), list).unwrap();
    fs::write(temp.path().join("nodes.json"), "{").unwrap();
    let read = Recording::at(temp.path());
    assert_eq!(read.inventory.look().pods().len(), 2);
    let health = read.health();
    let missing = |kind: &str| health.standing.missing.iter().find(|m| m.kind == kind).unwrap().clone();
    assert!(missing("Pod").state == "stale" && missing("Pod").reason.contains("pods.json"));
    assert!(missing("Node").state == "failing" && missing("Node").reason.contains("nodes.json"));
}
