//! Kubeconfigs as people have them: merged from several files, with token files, behind a proxy.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aiops::shutdown::Tasks;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use super::{
    objects::all_synced,
    stub::{Room, Stub, kubeconfig},
};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn several_files_are_merged_and_absent_ones_left_out() {
    let stub = Stub::start().await;
    stub.story.lock().token = "secret-token".into();
    let whole: Value = serde_json::from_str(&kubeconfig(&stub.url())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut paths = vec![folder.path().join("absent")];
    for (name, members) in
        [("contexts", vec!["contexts", "current-context"]), ("rest", vec!["clusters", "users"])]
    {
        let mut part = json!({"apiVersion": "v1", "kind": "Config"});
        for member in members {
            part[member] = whole[member].clone();
        }
        std::fs::write(folder.path().join(name), part.to_string()).unwrap();
        paths.push(folder.path().join(name));
    }
    let joined = std::env::join_paths(paths).unwrap().into_string().unwrap();
    let room = Room::with("", &format!("cluster.kubeconfig = {joined:?}"));
    room.until(SOON, "all kinds synced", all_synced).await;
}

#[tokio::test]
async fn a_token_file_beside_the_kubeconfig_is_read() {
    let stub = Stub::start().await;
    stub.story.lock().token = "from-file".into();
    let room = Room::with("", "");
    std::fs::create_dir_all(room.home.path().join(".kube")).unwrap();
    std::fs::write(room.home.path().join(".kube/token"), "from-file").unwrap();
    let text = kubeconfig(&stub.url()).replace(r#""token":"secret-token""#, r#""tokenFile":"token""#);
    room.write_kubeconfig(&text);
    room.until(SOON, "all kinds synced", all_synced).await;
}

#[tokio::test]
async fn the_proxy_of_the_kubeconfig_is_used() {
    let stub = Stub::start().await;
    let (tasks, passed) = (Tasks::new(), Arc::new(AtomicUsize::new(0)));
    let proxy = proxy(&tasks, Arc::clone(&passed)).await;
    let text =
        kubeconfig(&stub.url()).replace(r#""server":"#, &format!(r#""proxy-url":"{proxy}","server":"#));
    let room = Room::with(&text, "");
    room.until(SOON, "all kinds synced", all_synced).await;
    assert!(passed.load(Ordering::Relaxed) >= 17, "each watch goes through the proxy");
    tasks.end();
}

/// A proxy that knows CONNECT and counts.
async fn proxy(tasks: &Tasks, passed: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (ending, inner) = (tasks.ending(), tasks.clone());
    tasks.spawn("proxy", async move {
        let accept = async {
            while let Ok((client, _)) = listener.accept().await {
                let passed = Arc::clone(&passed);
                let ending = inner.ending();
                inner.spawn("tunnel", async move {
                    tokio::select! {
                        () = ending.cancelled() => {}
                        () = tunnel(client, passed) => {}
                    }
                });
            }
        };
        tokio::select! {
            () = ending.cancelled() => {}
            () = accept => {}
        }
    });
    url
}

async fn tunnel(client: TcpStream, passed: Arc<AtomicUsize>) {
    let mut client = BufReader::new(client);
    let mut target = String::new();
    loop {
        let mut line = String::new();
        client.read_line(&mut line).await.unwrap();
        match line.strip_prefix("CONNECT ") {
            Some(rest) => target = rest.split(' ').next().unwrap().to_owned(),
            None if line == "\r\n" => break,
            None => {}
        }
    }
    let mut server = TcpStream::connect(&target).await.unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    passed.fetch_add(1, Ordering::Relaxed);
    // It ends when either side does.
    let _ = copy_bidirectional(&mut client, &mut server).await;
}
