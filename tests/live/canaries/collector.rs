//! A collector of spans that keeps the bytes it is sent and says that all is well.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

pub(super) struct Collector {
    pub(super) endpoint: String,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bytes);
        // Both threads end with the test process.
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || {
                    let mut request = Vec::new();
                    let mut chunk = [0; 16 << 10];
                    while let Ok(read @ 1..) = stream.read(&mut chunk) {
                        request.extend_from_slice(&chunk[..read]);
                        kept.lock().unwrap().extend_from_slice(&chunk[..read]);
                        if is_whole(&request) {
                            request.clear();
                            let _ = stream.write_all(
                                b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
                            );
                        }
                    }
                });
            }
        });
        Self { endpoint, bytes }
    }

    /// What came, once it holds this word.
    pub(super) fn received(&self, word: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let text = String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned();
            if text.contains(word) {
                return text;
            }
            assert!(Instant::now() < deadline, "no span with {word} came, only {} bytes", text.len());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    request.len() >= end + 4 + length.unwrap_or(0)
}
