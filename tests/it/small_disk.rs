//! A small disk that a test may fill: the test runs itself again as a child, in a namespace with a tmpfs of its own.
//!
//! An ordinary user may do so on most systems; where he may not, the test says so and does something else. Nothing is mounted for
//! anybody else.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test: what it sets up must work, and it says what it does instead"
)]

use std::{
    fs::File,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where the child finds its folder.
const FOLDER: &str = "AIOPS_TEST_FOLDER";
/// The reserve, and twice as much.
const MOUNT: &str = "mount -t tmpfs -o size=48m tmpfs \"$0\" &&";

/// The folder, in the child.
pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Runs a test of this binary again, wrapped in a command and by a shell that first does what `before` says with the folder
/// as `$0`.
pub(crate) fn again(test: &str, folder: &Path, wrapped: &[&str], before: &str) {
    let script = format!("{before} exec \"$@\"");
    let mut words = wrapped.to_vec();
    words.extend(["sh", "-c", &script]);
    let (program, rest) = words.split_first().unwrap();
    let mut child = Command::new(program);
    child.args(rest).arg(folder).arg(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture"]);
    let said = child.env(FOLDER, folder).stdin(Stdio::null()).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success() && text.contains("1 passed"), "{text}");
}

/// Runs a test again on a disk of its own; false where the system gives nobody one, and the test does something else.
pub(crate) fn on_a_disk(test: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let tried = Command::new("unshare")
        .args(["-rm", "sh", "-c", &format!("{MOUNT} exit 0")])
        .arg(folder.path())
        .stdin(Stdio::null())
        .output();
    let has_disk = tried.is_ok_and(|tried| tried.status.success());
    if has_disk {
        again(test, folder.path(), &["unshare", "-rm"], MOUNT);
    } else {
        println!("{test}: nobody gets a disk of his own here; a limit on the size of files takes its place");
    }
    has_disk
}

/// The largest size of a file that a process may write; what does not fit is an error for it where it ignores the signal.
pub(crate) fn limit(process: u32, bytes: &str) {
    let set = Command::new("prlimit")
        .args(["--pid", &process.to_string(), &format!("--fsize={bytes}:")])
        .status()
        .unwrap();
    assert!(set.success());
}

/// Takes all that is left of the disk.
pub(crate) fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [1 << 16, 1 << 10, 1] {
        let chunk = vec![1_u8; size];
        loop {
            match file.write_all(&chunk) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
}
