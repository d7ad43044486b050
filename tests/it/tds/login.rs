//! The login message: what a client tells about itself.

use std::io;

use super::wire::{Reader, invalid, utf16};

/// Bits of the third and fifth byte of flags.
const READ_ONLY: u8 = 0x20;
const EXTENSION: u8 = 0x10;

/// The extension that carries a token, its library (a token at hand), and the end of extensions.
const FEDERATED: u8 = 2;
const END: u8 = 0xFF;

/// How much of a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encrypted {
    /// Nothing.
    Nothing,
    /// The login packet only.
    Login,
    /// Everything after the pre-login packets.
    Session,
    /// Everything (TDS 8).
    Strict,
}

/// What a client told about itself when it logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginInfo {
    /// Number of the connection, from 1, over the server's life.
    pub connection: u64,
    /// How much of the connection is encrypted.
    pub encrypted: Encrypted,
    /// SQL login name; empty with a token.
    pub user: String,
    /// Password in clear; empty with a token.
    pub password: String,
    /// Access token (Azure AD), if the client sent one instead of a password.
    pub token: Option<String>,
    /// Database asked for; empty for the default one.
    pub database: String,
    /// Name of the application.
    pub application: String,
    /// Name of the client's machine.
    pub host: String,
    /// Name of the server as the client wrote it.
    pub server: String,
    /// Name of the client's driver.
    pub library: String,
    /// Packet size asked for, in bytes.
    pub packet_size: u32,
    /// Whether the client means to read only (`ApplicationIntent=ReadOnly`).
    pub read_only: bool,
    /// Version of the protocol, for instance `0x7400_0004` for 7.4.
    pub tds_version: u32,
}

impl LoginInfo {
    pub(super) fn read(data: &[u8], connection: u64, encrypted: Encrypted) -> io::Result<Self> {
        let mut reader = Reader::new(data);
        reader.u32()?;
        let tds_version = reader.u32()?;
        let packet_size = reader.u32()?;
        reader.bytes(12)?;
        let [_, _, type_flags, more_flags] = reader.array()?;
        reader.bytes(8)?;
        let mut fields = Fields { data, reader };
        let mut info = Self {
            connection,
            encrypted,
            host: fields.text()?,
            user: fields.text()?,
            password: fields.password()?,
            application: fields.text()?,
            server: fields.text()?,
            token: None,
            database: String::new(),
            library: String::new(),
            packet_size,
            read_only: type_flags & READ_ONLY != 0,
            tds_version,
        };
        let extension = fields.bytes(1)?;
        info.library = fields.text()?;
        fields.text()?;
        info.database = fields.text()?;
        if more_flags & EXTENSION != 0 {
            let offset = Reader::new(extension).u32()?;
            info.token = token(data, offset as usize)?;
        }
        Ok(info)
    }
}

/// The fields behind the fixed part: each an offset and a length.
struct Fields<'a> {
    data: &'a [u8],
    reader: Reader<'a>,
}

impl<'a> Fields<'a> {
    fn bytes(&mut self, unit_bytes: usize) -> io::Result<&'a [u8]> {
        let (offset, length) = (self.reader.u16()?, self.reader.u16()?);
        if length == 0 {
            return Ok(&[]);
        }
        let mut field = Reader::new(self.data);
        field.bytes(usize::from(offset))?;
        field.bytes(usize::from(length) * unit_bytes)
    }

    fn text(&mut self) -> io::Result<String> {
        self.bytes(2).map(utf16)
    }

    /// The password, which travels with its bits mixed up.
    fn password(&mut self) -> io::Result<String> {
        let clear: Vec<u8> =
            self.bytes(2)?.iter().map(|byte| (byte ^ 0xA5).rotate_left(4)).collect();
        Ok(utf16(&clear))
    }
}

/// The access token among the extensions at an offset.
fn token(data: &[u8], offset: usize) -> io::Result<Option<String>> {
    let mut reader = Reader::new(data);
    reader.bytes(offset)?;
    loop {
        let feature = reader.u8()?;
        if feature == END {
            return Ok(None);
        }
        let length = reader.u32()?;
        let body = reader.bytes(length as usize)?;
        if feature == FEDERATED {
            let mut body = Reader::new(body);
            if body.u8()? >> 1 != 1 {
                return Err(invalid("a login by token sends its token"));
            }
            let length = body.u32()?;
            return body.bytes(length as usize).map(utf16).map(Some);
        }
    }
}
