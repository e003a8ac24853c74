//! One kept-alive connection, spoken to in bytes: what a load is made of.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Result;

/// An HTTP/1.1 connection.
#[derive(Debug)]
pub struct Line {
    stream: TcpStream,
    got: Vec<u8>,
}

impl Line {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn open(authority: &str) -> Result<Self> {
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, got: Vec::new() })
    }

    /// One request and its whole answer: the head with names in lower case, and the body as it came, chunks and all.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<(String, String)> {
        self.got.clear();
        self.send(request).await?;
        let head = self.until(b"\r\n\r\n").await?;
        let headers = String::from_utf8_lossy(&self.got[..head]).to_ascii_lowercase();
        if header(&headers, "transfer-encoding").is_some() {
            while !self.got.ends_with(b"0\r\n\r\n") {
                self.more().await?;
            }
        } else {
            let length: usize = header(&headers, "content-length").unwrap_or("0").parse()?;
            while self.got.len() < head + length {
                self.more().await?;
            }
        }
        Ok((headers, String::from_utf8_lossy(&self.got[head..]).into_owned()))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn send(&mut self, bytes: &[u8]) -> Result {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Reads on until this has come, and forgets everything up to and with it. Nothing is lost where it is not waited to
    /// the end.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn skip_to(&mut self, what: &[u8]) -> Result {
        let end = self.until(what).await?;
        self.got.drain(..end);
        Ok(())
    }

    async fn until(&mut self, what: &[u8]) -> Result<usize> {
        loop {
            match self.got.windows(what.len()).position(|window| window == what) {
                Some(at) => return Ok(at + what.len()),
                None => self.more().await?,
            }
        }
    }

    async fn more(&mut self) -> Result {
        match self.stream.read_buf(&mut self.got).await? {
            0 => Err("the server closed the connection".into()),
            _ => Ok(()),
        }
    }
}

/// A header's value, of a head whose names are in lower case.
#[must_use]
pub fn header<'a>(headers: &'a str, name: &str) -> Option<&'a str> {
    headers.lines().find_map(|line| line.split_once(": ").filter(|(found, _)| *found == name).map(|(_, value)| value))
}
