//! The two streams. `aiops tools | head` closes ours early: that is no failure, and no panic as `println!` would make it.
//!
//! Nothing here runs while stdout belongs to JSON-RPC.

use std::io::{ErrorKind, IsTerminal as _, Result, Write};

use super::render::Layout;

/// The width of what is printed elsewhere than to a terminal.
const WIDTH: usize = 120;

/// Prints text and a line end to stdout.
///
/// # Errors
/// It could not be written, other than because the reader has gone.
pub fn out(text: &str) -> Result<()> {
    write(&mut std::io::stdout().lock(), text)
}

/// Prints text and a line end to stderr.
///
/// # Errors
/// It could not be written, other than because the reader has gone.
pub fn err(text: &str) -> Result<()> {
    write(&mut std::io::stderr().lock(), text)
}

/// How answers are laid out on stdout.
pub fn layout(wide: bool) -> Layout {
    let terminal = std::io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    Layout { wide, width: terminal.map_or(WIDTH, |(width, _)| usize::from(width.0)) }
}

/// Rows of the terminal on stdout; none elsewhere.
pub(super) fn rows() -> Option<usize> {
    let terminal = std::io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    terminal.map(|(_, height)| usize::from(height.0))
}

fn write(stream: &mut dyn Write, text: &str) -> Result<()> {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match stream
        .write_all(text.as_bytes())
        .and_then(|()| stream.write_all(end.as_bytes()))
        .and_then(|()| stream.flush())
    {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
