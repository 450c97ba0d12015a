//! A network between aiops and the API server that a test can break: TCP on loopback, with the faults of real networks.
//!
//! It sees only bytes; it reads none of them, except for the first line of a CONNECT.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kube::config::Kubeconfig;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Everything gets through.
    Fine,
    /// Nothing is answered, not even a SYN; what is connected hears nothing any more, for ever.
    Dropping,
    /// Connections are accepted and nothing more ever comes; what is connected hears nothing any more, for ever.
    Silent,
    /// Nothing listens; what is connected is cut.
    Refusing,
    /// Bytes that are no TLS.
    Garbage,
}

/// A port that leads to an API server.
pub(crate) struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    settled: watch::Receiver<Weather>,
    /// How many connections went through to the other side.
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Leads to `server`, a URL such as `https://127.0.0.1:6443`.
    pub(crate) async fn to(server: &str, weather: Weather) -> Self {
        Self::start(server.trim_start_matches("https://").to_owned(), weather, false).await
    }

    /// An HTTP proxy: leads wherever CONNECT says.
    pub(crate) async fn connect() -> Self {
        Self::start(String::new(), Weather::Fine, true).await
    }

    async fn start(server: String, first: Weather, is_http: bool) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let (weather, watched) = watch::channel(first);
        // The opposite of the first, so that waiting for it is waiting for the port.
        let before = if first == Weather::Fine { Weather::Refusing } else { Weather::Fine };
        let (settle, settled) = watch::channel(before);
        let connections = Arc::new(AtomicUsize::new(0));
        let line = Line { server, is_http, connections: Arc::clone(&connections) };
        let task = tokio::spawn(run(address, Arc::new(line), watched, settle));
        let proxy = Self { address, weather, settled, connections, task };
        proxy.turn(first).await;
        proxy
    }

    /// Changes the weather and returns when it has changed.
    pub(crate) async fn turn(&self, weather: Weather) {
        self.weather.send_replace(weather);
        let mut settled = self.settled.clone();
        let is_so = settled.wait_for(|now| *now == weather);
        tokio::time::timeout(Duration::from_secs(5), is_so).await.expect("the port must be had").unwrap();
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// A copy of a kubeconfig in `folder` that leads through here.
    pub(crate) fn kubeconfig(&self, of: &Path, folder: &Path) -> PathBuf {
        let mut config = document(of);
        config["clusters"][0]["cluster"]["server"] = self.url("https").into();
        let file = folder.join(format!("through-{}", self.address.port()));
        std::fs::write(&file, config.to_string()).unwrap();
        file
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A kubeconfig as JSON, to be changed.
pub(crate) fn document(of: &Path) -> Value {
    serde_json::to_value(Kubeconfig::read_from(of).unwrap()).unwrap()
}

struct Line {
    server: String,
    is_http: bool,
    connections: Arc<AtomicUsize>,
}

async fn run(
    address: SocketAddr,
    line: Arc<Line>,
    mut weather: watch::Receiver<Weather>,
    settle: watch::Sender<Weather>,
) {
    loop {
        let now = *weather.borrow_and_update();
        match now {
            Weather::Refusing => {
                settle.send_replace(now);
                weather.changed().await.unwrap();
            }
            Weather::Dropping => {
                // A queue that nobody empties: once it is full the kernel drops further SYNs.
                let socket = socket(address).await;
                let full = socket.listen(0).unwrap();
                let mut waiting = Vec::new();
                while let Ok(Ok(one)) =
                    tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
                {
                    waiting.push(one);
                }
                settle.send_replace(now);
                weather.changed().await.unwrap();
                drop((full, waiting));
            }
            Weather::Fine | Weather::Silent | Weather::Garbage => {
                let listener = socket(address).await.listen(256).unwrap();
                settle.send_replace(now);
                loop {
                    let stream = tokio::select! {
                        accepted = listener.accept() => accepted.unwrap().0,
                        _ = weather.changed() => break,
                    };
                    tokio::spawn(serve(stream, Arc::clone(&line), now, weather.clone()));
                }
            }
        }
    }
}

async fn socket(address: SocketAddr) -> TcpSocket {
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        if socket.bind(address).is_ok() {
            return socket;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn serve(mut stream: TcpStream, line: Arc<Line>, now: Weather, weather: watch::Receiver<Weather>) {
    match now {
        Weather::Garbage => {
            let _ = stream.write_all(b"220 mail.example.com ESMTP ready\r\n").await;
        }
        Weather::Fine => {
            let server = if line.is_http { asked(&mut stream).await } else { line.server.clone() };
            let Ok(mut server) = TcpStream::connect(&server).await else { return };
            if line.is_http {
                stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            }
            line.connections.fetch_add(1, Ordering::Relaxed);
            let (mut from_us, mut to_us) = stream.split();
            let (mut from_them, mut to_them) = server.split();
            tokio::select! {
                () = pump(&mut from_us, &mut to_them, weather.clone()) => {}
                () = pump(&mut from_them, &mut to_us, weather) => {}
            }
        }
        _ => hold(weather).await,
    }
}

/// Keeps a connection open and silent until connections are cut.
async fn hold(mut weather: watch::Receiver<Weather>) {
    // The sender is gone when the test is over.
    let _ = weather.wait_for(|now| matches!(now, Weather::Refusing | Weather::Garbage)).await;
}

/// Returns when the weather is not fine any more.
async fn turned(weather: &mut watch::Receiver<Weather>) {
    // The sender is gone when the test is over.
    let _ = weather.wait_for(|now| *now != Weather::Fine).await;
}

async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut weather: watch::Receiver<Weather>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::select! {
            biased;
            () = turned(&mut weather) => None,
            read = from.read(&mut buffer) => Some(read),
        };
        let Some(read) = read else { return hold(weather).await };
        match read {
            Ok(0) | Err(_) => return,
            Ok(count) if to.write_all(&buffer[..count]).await.is_err() => return,
            Ok(_) => {}
        }
    }
}

/// The host and port of a CONNECT.
async fn asked(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let target =
        head.strip_prefix("CONNECT ").and_then(|rest| rest.split_once(' ')).map(|(to, _)| to.to_owned());
    let target = target.unwrap_or_else(|| panic!("no CONNECT: {head}"));
    // It alone knows where names of tests lead.
    let (_, port) = target.rsplit_once(':').unwrap();
    format!("127.0.0.1:{port}")
}
