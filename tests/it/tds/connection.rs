//! One connection until it has logged in: pre-login, TLS, login.

use std::io;
use std::sync::{Arc, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

use super::backend::{Session, SqlError, names};
use super::conversation::{self, closed, finish};
use super::faults::{Fault, Script};
use super::journal::Entry;
use super::login::{Encrypted, LoginInfo};
use super::packet::{Message, Out, kinds, read_message};
use super::prelogin::{Agreed, Prelogin};
use super::server::{Encryption, Shared};
use super::tls;
use super::tokens::{
    Change, Done, done, put_change, put_done, put_error, put_info, put_login_ack, put_token_ack,
};
use super::wire::invalid;

/// Packet size before the login has agreed on one.
const FIRST_PACKET_BYTES: u32 = 4096;

/// TDS 7.2, from which on the tokens have today's form.
const OLDEST_VERSION: u32 = 0x7209_0002;

/// Smallest packet size.
const MIN_PACKET_BYTES: u32 = 512;

/// Serves a connection to its end.
pub(super) async fn serve(
    mut stream: TcpStream,
    number: u64,
    shared: Arc<Shared>,
) -> io::Result<()> {
    let door = Door { number, shared };
    if let (Encryption::Strict, Some(acceptor)) =
        (door.shared.options.encryption, &door.shared.acceptor)
    {
        let mut stream = tls::accept(acceptor, stream, false).await?;
        door.prelogin(&mut stream).await?;
        return door.login(stream, None, Encrypted::Strict).await;
    }
    match (door.prelogin(&mut stream).await?, &door.shared.acceptor) {
        (Agreed::Plain, _) => door.login(stream, None, Encrypted::Nothing).await,
        (Agreed::Session, Some(acceptor)) => {
            let stream = tls::accept(acceptor, stream, true).await?;
            door.login(stream, None, Encrypted::Session).await
        }
        (Agreed::LoginOnly, Some(acceptor)) => {
            let mut stream = tls::accept(acceptor, stream, true).await?;
            let message = read_message(&mut stream).await?.ok_or_else(closed)?;
            let stream = stream.into_inner().0.into_inner();
            door.login(stream, Some(message), Encrypted::Login).await
        }
        (Agreed::Nothing | Agreed::Session | Agreed::LoginOnly, _) => Ok(()),
    }
}

/// Sends an answer; where the script ends the connection with it, in the way it says.
async fn finish_or_end<W: AsyncWrite + Unpin>(
    out: &mut Out<W>,
    fault: Option<&Fault>,
) -> io::Result<()> {
    let finished = finish(out, fault).await;
    out.end().await?;
    finished
}

/// A connection that has not logged in.
struct Door {
    number: u64,
    shared: Arc<Shared>,
}

impl Door {
    /// Notes a request; waits where the script says so.
    async fn note(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        name: &str,
        text: &str,
    ) -> io::Result<Script> {
        let occurrence = self.shared.journal.push(Entry {
            connection: self.number,
            name: name.to_owned(),
            text: text.to_owned(),
            parameters: Vec::new(),
        });
        let script = self.shared.faults.script(name, occurrence);
        if let Some(hold) = &script.hold {
            // The client has nothing to say now: whatever comes is its end.
            tokio::select! {
                () = hold.pass() => {}
                _ = stream.read_u8() => return Err(closed()),
            }
        }
        Ok(script)
    }

    async fn prelogin<S>(&self, stream: &mut S) -> io::Result<Agreed>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let message = read_message(stream).await?.ok_or_else(closed)?;
        if message.kind != kinds::PRELOGIN {
            return Err(invalid("a connection begins with a pre-login message"));
        }
        let prelogin = Prelogin::read(&message.data)?;
        let script = self.note(stream, names::PRELOGIN, "").await?;
        if let Some(Fault::DropBefore | Fault::Error { .. } | Fault::ErrorInside { .. }) =
            script.fault
        {
            return Err(closed());
        }
        let options = &self.shared.options;
        let (agreed, encryption) = prelogin.agree(options.encryption);
        // tiberius 0.13 asserts that the thread id is none, where debug assertions are on.
        let thread = (script.fault == Some(Fault::Malformed)).then_some(1);
        let mut out = Out::new(stream, FIRST_PACKET_BYTES, Arc::clone(&self.shared.sent));
        out.tokens = prelogin.answer(encryption, options.instance.as_deref(), thread);
        let fault = script.fault.filter(|fault| *fault != Fault::Malformed);
        finish_or_end(&mut out, fault.as_ref()).await?;
        Ok(agreed)
    }

    async fn login<S>(
        self,
        mut stream: S,
        message: Option<Message>,
        encrypted: Encrypted,
    ) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let message = match message {
            Some(message) => message,
            None => read_message(&mut stream).await?.ok_or_else(closed)?,
        };
        if message.kind != kinds::LOGIN {
            return Err(invalid("a login is expected"));
        }
        let info = LoginInfo::read(&message.data, self.number, encrypted)?;
        if info.tds_version < OLDEST_VERSION {
            return Err(invalid("clients older than TDS 7.2 are not served"));
        }
        self.shared.logins.lock().unwrap_or_else(PoisonError::into_inner).push(info.clone());
        let script = self.note(&mut stream, names::LOGIN, &info.application).await?;
        let mut out = Out::new(&mut stream, FIRST_PACKET_BYTES, Arc::clone(&self.shared.sent));
        let session = match &script.fault {
            Some(Fault::DropBefore) => return Err(closed()),
            Some(Fault::Error { number, class, message }) => {
                Err(vec![SqlError { class: *class, ..SqlError::new(*number, message) }])
            }
            _ => self.session(&info).await,
        };
        match session {
            Ok(session) => {
                let packet_bytes = self.put_welcome(&mut out.tokens, &info);
                finish_or_end(&mut out, script.fault.as_ref()).await?;
                conversation::run(stream, packet_bytes, session, info, self.shared).await
            }
            Err(errors) => {
                for error in &errors {
                    put_error(&mut out.tokens, error);
                }
                put_done(&mut out.tokens, Done::Batch, done::ERROR, None);
                out.ship(true).await
            }
        }
    }

    /// A session for whoever may log in.
    async fn session(&self, info: &LoginInfo) -> Result<Box<dyn Session>, Vec<SqlError>> {
        let options = &self.shared.options;
        let known = match &info.token {
            Some(token) => options.token.as_ref() == Some(token),
            None => info.user == options.user && info.password == options.password,
        };
        let failed = || {
            let message = format!("Login failed for user '{}'.", info.user);
            SqlError { class: 14, ..SqlError::new(18_456, message) }
        };
        if !known {
            return Err(vec![failed()]);
        }
        let named = |name: &String| name.eq_ignore_ascii_case(&info.database);
        if !info.database.is_empty() && !options.databases.iter().any(named) {
            let message = format!(
                "Cannot open database \"{}\" requested by the login. The login failed.",
                info.database
            );
            return Err(vec![SqlError { class: 11, ..SqlError::new(4060, message) }, failed()]);
        }
        let (shared, info) = (Arc::clone(&self.shared), info.clone());
        tokio::task::spawn_blocking(move || shared.backend.session(&info))
            .await
            .map_err(|error| vec![SqlError::new(50_000, error.to_string())])?
            .map_err(|error| vec![error])
    }

    /// Writes the answer to a login that succeeds; returns the packet size agreed on.
    fn put_welcome(&self, out: &mut Vec<u8>, info: &LoginInfo) -> u32 {
        let options = &self.shared.options;
        let database = match info.database.as_str() {
            "" => options.databases.first().map_or("master", String::as_str),
            name => name,
        };
        let wanted = if info.packet_size == 0 { FIRST_PACKET_BYTES } else { info.packet_size };
        let largest = options.max_packet_size.clamp(MIN_PACKET_BYTES, 32_767);
        let packet_bytes = wanted.clamp(MIN_PACKET_BYTES, largest);
        put_change(out, &Change::Database(database.to_owned()));
        put_info(out, 5701, &format!("Changed database context to '{database}'."));
        put_change(out, &Change::Collation);
        put_change(out, &Change::Language);
        put_info(out, 5703, "Changed language setting to us_english.");
        put_login_ack(out, info.tds_version);
        let routing = self.shared.routing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((host, port)) = routing {
            put_change(out, &Change::Routing { host, port });
        }
        put_change(out, &Change::PacketBytes { new: packet_bytes, old: FIRST_PACKET_BYTES });
        if info.token.is_some() {
            put_token_ack(out);
        }
        put_done(out, Done::Batch, 0, None);
        packet_bytes
    }
}
