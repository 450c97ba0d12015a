//! Which running server the commands reach, and what they say of one that turns them away.

use std::os::unix::net::UnixListener;

use super::{
    super::process::{DEADLINE, Running, aiops, output, text},
    says,
};

/// A file with one token, `sesame`.
fn tokens(folder: &tempfile::TempDir) -> std::path::PathBuf {
    let path = folder.path().join("tokens.toml");
    let hash = "d0c04f4b1951e4aeaaec8223ed2039e542f3aae805a6fa7f6d794e5afff5d272";
    std::fs::write(&path, format!("[[token]]\nname = \"me\"\nsha256 = \"{hash}\"\n")).unwrap();
    path
}

#[test]
fn what_the_demo_prints_reaches_the_demo_and_not_the_aiops_that_executes_here() {
    let state = tempfile::tempdir().unwrap();
    let socket = UnixListener::bind(state.path().join("aiops.sock")).unwrap();
    socket.set_nonblocking(true).unwrap();
    let (running, address) = Running::serving(&mut aiops(&["demo", "--http", "127.0.0.1:0"]));
    let mut told = Vec::new();
    while told.last().is_none_or(|line: &String| !line.contains("Ctrl-C")) {
        told.push(running.stderr.recv_timeout(DEADLINE).unwrap());
    }
    let at = |part: &str| told.iter().position(|line| line.trim_start().starts_with(part)).unwrap();
    let export = at("export AIOPS_SERVER=");
    assert!(export < at("aiops call "), "before the first command: {told:?}");
    let url = told[export].trim().strip_prefix("export AIOPS_SERVER=").unwrap();
    assert_eq!(url, format!("http://{address}"));
    for line in &told {
        let Some(words) = line.trim().strip_prefix("aiops call ").filter(|words| !words.contains('…'))
        else {
            continue;
        };
        let mut command = aiops(&[&["call"], &words.split(' ').collect::<Vec<_>>()[..]].concat());
        command.env("AIOPS_SERVER", url).args(["--state-dir", state.path().to_str().unwrap()]);
        says(&output(&mut command), 0, &["answered by", url, "checkout-outage"]);
    }
    let asked = socket.accept();
    assert!(asked.is_err(), "nobody asked at the socket: {asked:?}");
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let demo = &readme[readme.find("## Three minutes with the demo").unwrap()..];
    let export = demo.find("$ export AIOPS_SERVER=http://127.0.0.1:8080").unwrap();
    assert!(export < demo.find("$ aiops ").unwrap(), "README says it as well");
}

#[test]
fn a_server_that_wants_a_token_is_not_said_to_be_absent() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = aiops(&["demo", "--http", "127.0.0.1:0"]);
    let (_running, address) = Running::serving(command.env("AIOPS_HTTP__TOKEN_FILE", tokens(&folder)));
    for arguments in [&["workflow", "list"][..], &["call", "list-nodes"], &["tools"]] {
        for token in ["", "wrong"] {
            let mut command = aiops(arguments);
            command.env("AIOPS_HTTP__LISTEN", &address);
            if !token.is_empty() {
                command.env("AIOPS_TOKEN", token);
            }
            let refused = output(&mut command);
            says(&refused, 1, &[&address, "refused", "AIOPS_TOKEN or --token"]);
            assert!(!text(&refused.stderr).contains("no aiops runs here"), "{}", text(&refused.stderr));
        }
    }
    let mut command = aiops(&["call", "list-nodes"]);
    let let_in = output(command.env("AIOPS_HTTP__LISTEN", &address).env("AIOPS_TOKEN", "sesame"));
    says(&let_in, 0, &["answered by", &address]);
}
