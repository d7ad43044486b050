//! The pre-login message: which encryption, which instance, whether logins go by token.

use std::io;

use super::server::Encryption;
use super::wire::Reader;

const VERSION: u8 = 0;
const ENCRYPTION: u8 = 1;
const INSTANCE: u8 = 2;
const THREAD: u8 = 3;
const MARS: u8 = 4;
const TOKEN_REQUIRED: u8 = 6;
const END: u8 = 0xFF;

/// Values of the field `ENCRYPTION`.
const OFF: u8 = 0;
const ON: u8 = 1;
const NOT_SUPPORTED: u8 = 2;
const REQUIRED: u8 = 3;

/// What a client says before its login.
#[derive(Debug, Default)]
pub(super) struct Prelogin {
    encryption: u8,
    instance: String,
    token_required: bool,
}

/// What the two sides agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agreed {
    /// Nothing is encrypted.
    Plain,
    /// The login packet is.
    LoginOnly,
    /// All is from now on.
    Session,
    /// The client cannot do what the server wants: the connection ends.
    Nothing,
}

impl Prelogin {
    pub(super) fn read(data: &[u8]) -> io::Result<Self> {
        let mut prelogin = Self { encryption: NOT_SUPPORTED, ..Self::default() };
        let mut options = Reader::new(data);
        loop {
            let option = options.u8()?;
            if option == END {
                return Ok(prelogin);
            }
            let (offset, length) = (options.u16_be()?, options.u16_be()?);
            let mut field = Reader::new(data);
            field.bytes(usize::from(offset))?;
            let field = field.bytes(usize::from(length))?;
            match option {
                ENCRYPTION => prelogin.encryption = field.first().copied().unwrap_or(NOT_SUPPORTED),
                INSTANCE => {
                    let name = field.split(|&byte| byte == 0).next().unwrap_or_default();
                    prelogin.instance = String::from_utf8_lossy(name).into_owned();
                }
                TOKEN_REQUIRED => prelogin.token_required = field.first() == Some(&1),
                _ => {}
            }
        }
    }

    /// What comes of the client's wish and the server's, and the answer's field.
    pub(super) fn agree(&self, ours: Encryption) -> (Agreed, u8) {
        match (ours, self.encryption) {
            // The packets of TDS 8 are encrypted already; what they say here is ignored.
            (Encryption::Strict, _) => (Agreed::Plain, ON),
            (Encryption::NotSupported, OFF | NOT_SUPPORTED) => (Agreed::Plain, NOT_SUPPORTED),
            (Encryption::NotSupported, _) => (Agreed::Nothing, NOT_SUPPORTED),
            (Encryption::AsAsked, OFF) => (Agreed::LoginOnly, OFF),
            (Encryption::AsAsked, NOT_SUPPORTED) => (Agreed::Plain, NOT_SUPPORTED),
            (Encryption::Required, NOT_SUPPORTED) => (Agreed::Nothing, REQUIRED),
            (Encryption::Required, OFF) => (Agreed::Session, REQUIRED),
            (Encryption::AsAsked | Encryption::Required, _) => (Agreed::Session, ON),
        }
    }

    /// The server's answer. `thread` belongs to clients only: a test breaks one with it.
    pub(super) fn answer(
        &self,
        encryption: u8,
        instance: Option<&str>,
        thread: Option<u32>,
    ) -> Vec<u8> {
        let known = self.instance.is_empty()
            || self.instance.eq_ignore_ascii_case("MSSQLServer")
            || instance.is_none_or(|name| name.eq_ignore_ascii_case(&self.instance));
        let mut fields = vec![
            (VERSION, vec![16, 0, 0x03, 0xE8, 0, 0]),
            (ENCRYPTION, vec![encryption]),
            (INSTANCE, if known { vec![0] } else { vec![1, 0] }),
            (THREAD, thread.map(u32::to_be_bytes).map(Vec::from).unwrap_or_default()),
            (MARS, vec![0]),
        ];
        if self.token_required {
            fields.push((TOKEN_REQUIRED, vec![1]));
        }
        let mut offset = fields.len() * 5 + 1;
        let mut answer = Vec::new();
        for (option, field) in &fields {
            answer.push(*option);
            answer.extend((offset as u16).to_be_bytes());
            answer.extend((field.len() as u16).to_be_bytes());
            offset += field.len();
        }
        answer.push(END);
        answer.extend(fields.into_iter().flat_map(|(_, field)| field));
        answer
    }
}
