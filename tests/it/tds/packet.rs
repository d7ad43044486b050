//! Packets: eight bytes of header and a piece of a message.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::wire::invalid;

/// Bytes of a packet's header.
pub(super) const HEADER_BYTES: usize = 8;

/// Types of messages.
pub(super) mod kinds {
    pub(in super::super) const BATCH: u8 = 1;
    pub(in super::super) const RPC: u8 = 3;
    pub(in super::super) const REPLY: u8 = 4;
    pub(in super::super) const ATTENTION: u8 = 6;
    pub(in super::super) const BULK_ROWS: u8 = 7;
    pub(in super::super) const TRANSACTION: u8 = 14;
    pub(in super::super) const LOGIN: u8 = 16;
    pub(in super::super) const PRELOGIN: u8 = 18;
}

/// Types of the protocol's packets. TLS, which strict clients begin with, has others.
const KNOWN: [u8; 10] = [1, 2, 3, 4, 6, 7, 14, 16, 17, 18];

const END_OF_MESSAGE: u8 = 1;
const IGNORE: u8 = 2;

/// Longest message that the server takes, in bytes.
const MAX_MESSAGE_BYTES: usize = 1 << 30;

/// A whole message of a client.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) data: Vec<u8>,
}

/// Reads the packets of one message; `None` where the client has gone between two messages.
pub(super) async fn read_message(
    reader: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<Message>> {
    let mut data = Vec::new();
    let mut header = [0; HEADER_BYTES];
    loop {
        match reader.read_exact(&mut header).await {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && data.is_empty() => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        let [kind, status, high, low, ..] = header;
        if !KNOWN.contains(&kind) {
            return Err(invalid(format!("packets of type {kind} are unknown")));
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let n_bytes = length
            .checked_sub(HEADER_BYTES)
            .ok_or_else(|| invalid("packet shorter than its header"))?;
        let start = data.len();
        if start + n_bytes > MAX_MESSAGE_BYTES {
            return Err(invalid("message too long"));
        }
        data.resize(start + n_bytes, 0);
        reader.read_exact(&mut data[start..]).await?;
        if status & IGNORE != 0 {
            data.clear();
        } else if status & END_OF_MESSAGE != 0 {
            return Ok(Some(Message { kind, data }));
        }
    }
}

/// Cuts the server's messages into packets and writes them.
#[derive(Debug)]
pub(super) struct Out<W> {
    writer: W,
    /// What is still to be cut into packets.
    pub(super) tokens: Vec<u8>,
    /// Bytes of a packet, header included.
    packet_bytes: usize,
    /// Number of the next packet of the message.
    next_id: u8,
    /// Whether the next write ends half-way, for good.
    pub(super) cut: bool,
    /// Whether the stream ends in its own way: with TLS, by TLS' goodbye.
    pub(super) goodbye: bool,
    sent: Arc<AtomicU64>,
}

impl<W: AsyncWrite + Unpin> Out<W> {
    pub(super) fn new(writer: W, packet_bytes: u32, sent: Arc<AtomicU64>) -> Self {
        let packet_bytes = packet_bytes as usize;
        Self {
            writer,
            tokens: Vec::new(),
            packet_bytes,
            next_id: 1,
            cut: false,
            goodbye: false,
            sent,
        }
    }

    /// Whether enough for a write has gathered.
    pub(super) fn is_full(&self) -> bool {
        self.tokens.len() > self.packet_bytes.max(16 * 1024)
    }

    /// The next bytes for the wire: whole packets, all of them at the end of a message.
    fn packets(&mut self, last: bool) -> Vec<u8> {
        let payload = self.packet_bytes - HEADER_BYTES;
        let n_full = self.tokens.len().saturating_sub(1) / payload;
        let mut wire = Vec::with_capacity(self.tokens.len() + (n_full + 1) * HEADER_BYTES);
        for at in 0..n_full {
            let piece = at * payload..(at + 1) * payload;
            wire.extend(self.header(piece.len(), 0));
            wire.extend(&self.tokens[piece]);
        }
        self.tokens.drain(..n_full * payload);
        if last {
            wire.extend(self.header(self.tokens.len(), END_OF_MESSAGE));
            wire.append(&mut self.tokens);
            self.next_id = 1;
        }
        wire
    }

    fn header(&mut self, n_bytes: usize, status: u8) -> [u8; HEADER_BYTES] {
        let [high, low] = ((n_bytes + HEADER_BYTES) as u16).to_be_bytes();
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        [kinds::REPLY, status, high, low, 0, 51, id, 0]
    }

    /// Writes what has gathered; after `last`, the message is complete. An error of the kind
    /// `ConnectionAborted` is the script's.
    pub(super) async fn ship(&mut self, last: bool) -> io::Result<()> {
        let mut wire = self.packets(last);
        if self.cut {
            wire.truncate(wire.len() / 2);
        }
        self.writer.write_all(&wire).await?;
        self.writer.flush().await?;
        self.sent.fetch_add(wire.len() as u64, Ordering::Relaxed);
        if self.cut { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }

    /// Writes all that has gathered in a packet that does not end the message.
    pub(super) async fn ship_unended(&mut self) -> io::Result<()> {
        let payload = self.packet_bytes - HEADER_BYTES;
        while !self.tokens.is_empty() {
            let piece: Vec<u8> = self.tokens.drain(..self.tokens.len().min(payload)).collect();
            let header = self.header(piece.len(), 0);
            self.writer.write_all(&header).await?;
            self.writer.write_all(&piece).await?;
        }
        self.writer.flush().await
    }

    /// Says goodbye, if that is wanted.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        if self.goodbye { self.writer.shutdown().await } else { Ok(()) }
    }
}
