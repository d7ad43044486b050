//! One connection after its login: requests in, answers out, until one side ends it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::backend::{Reply, Session, SqlError, names};
use super::column::Column;
use super::faults::{Fault, Hold, Script};
use super::journal::Entry;
use super::login::LoginInfo;
use super::packet::{Message, Out, kinds, read_message};
use super::request::{Prepared, Request, Work};
use super::rpc::handle_output;
use super::server::Shared;
use super::tokens::{Change, Done, done, put_done, put_error};

/// Bytes that begin no token.
const GARBAGE: [u8; 16] = [0x13; 16];

/// A column of nvarchar(10) and a row of it with half a character: `COLMETADATA`, one column
/// without a name, `ROW`.
const MALFORMED: [u8; 24] = [
    0x81, 1, 0, 0, 0, 0, 0, 1, 0, 0xE7, 20, 0, 0x09, 0x04, 0xD0, 0, 0x34, 0, 0xD1, 3, 0, b'x', 0,
    b'x',
];

/// The end of a connection, by the script or by the client.
pub(super) fn closed() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

/// Sends an answer of a few tokens, or what the script puts in its place.
pub(super) async fn finish<W: AsyncWrite + Unpin>(
    out: &mut Out<W>,
    fault: Option<&Fault>,
) -> io::Result<()> {
    match fault {
        Some(Fault::DropAfterExecuting | Fault::DropBefore | Fault::CloseTls { notify: false }) => {
            Err(closed())
        }
        Some(Fault::CloseTls { notify: true }) => {
            out.goodbye = true;
            Err(closed())
        }
        Some(Fault::Garbage) => {
            out.tokens = GARBAGE.to_vec();
            out.ship(true).await
        }
        Some(Fault::Malformed) => {
            out.tokens = MALFORMED.to_vec();
            out.ship(true).await
        }
        Some(Fault::DropInside(_)) => {
            out.cut = true;
            out.ship(true).await
        }
        Some(Fault::DropAfter) => {
            out.ship(true).await?;
            Err(closed())
        }
        Some(Fault::ErrorInside { number, .. }) => {
            put_error(&mut out.tokens, &SqlError::new(*number, "scripted error"));
            put_done(&mut out.tokens, Done::Batch, done::ERROR, None);
            out.ship(true).await
        }
        Some(Fault::Error { .. }) | None => out.ship(true).await,
    }
}

/// Answers requests until the connection ends; then the session goes first and the stream last, so
/// that a client that sees the end finds the transaction rolled back and the locks free.
pub(super) async fn run<S>(
    stream: S,
    packet_bytes: u32,
    session: Box<dyn Session>,
    info: LoginInfo,
    shared: Arc<Shared>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (reader, writer) = tokio::io::split(stream);
    let (messages, incoming) = mpsc::unbounded_channel();
    let mut conversation = Conversation {
        out: Out::new(writer, packet_bytes, Arc::clone(&shared.sent)),
        shared,
        info,
        session: Some(session),
        incoming,
        waiting: VecDeque::new(),
        depth: 0,
        transaction: 0,
        prepared: Prepared::default(),
        bulk_table: None,
    };
    let result = tokio::select! {
        result = conversation.answer_all() => result,
        // Ends never by itself: the conversation notices the end of its messages.
        () = listen(reader, messages) => Ok(()),
    };
    if let Some(session) = conversation.session.take() {
        spawn_blocking(move || drop(session)).await.map_err(io::Error::other)?;
    }
    conversation.out.end().await?;
    result
}

/// Passes the client's messages on until there are no more, then waits.
async fn listen<S: AsyncRead>(reader: ReadHalf<S>, messages: mpsc::UnboundedSender<Message>) {
    let mut reader = BufReader::with_capacity(32 * 1024, reader);
    while let Ok(Some(message)) = read_message(&mut reader).await {
        if messages.send(message).is_err() {
            break;
        }
    }
    drop(messages);
    std::future::pending::<()>().await;
}

/// One connection's state.
pub(super) struct Conversation<S> {
    pub(super) out: Out<WriteHalf<S>>,
    pub(super) shared: Arc<Shared>,
    info: LoginInfo,
    /// Missing only while it works on a thread of its own, or after a panic there.
    session: Option<Box<dyn Session>>,
    pub(super) incoming: mpsc::UnboundedReceiver<Message>,
    /// Messages that came while an answer was on its way.
    pub(super) waiting: VecDeque<Message>,
    /// Open transactions, nested ones counted.
    pub(super) depth: u32,
    /// Number of the current transaction or the last one.
    pub(super) transaction: u64,
    prepared: Prepared,
    bulk_table: Option<String>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    async fn answer_all(&mut self) -> io::Result<()> {
        loop {
            let message = match self.waiting.pop_front() {
                Some(message) => Some(message),
                None => self.incoming.recv().await,
            };
            let Some(message) = message else { return Ok(()) };
            if message.kind == kinds::ATTENTION {
                self.attend().await?;
            } else {
                let request = Request::read(&message, self.info.connection, &mut self.prepared)?;
                self.answer(request).await?;
            }
        }
    }

    async fn answer(&mut self, request: Request) -> io::Result<()> {
        let Request { name, text, parameters, done, work } = request;
        let script = self.note(Entry { connection: self.info.connection, name, text, parameters });
        if let Some(hold) = script.hold
            && !self.wait(&hold).await?
        {
            return self.attend().await;
        }
        let (mut changes, result) = match &script.fault {
            Some(Fault::DropBefore) => return Err(closed()),
            Some(Fault::Error { number, class, message }) => {
                let error = SqlError { class: *class, ..SqlError::new(*number, message) };
                (Vec::new(), Err(error))
            }
            _ => self.work(work).await?,
        };
        match result {
            Ok(reply) => self.send(reply, &changes, done, script.fault.as_ref()).await,
            Err(error) => {
                changes.extend(self.end_transaction(&error).await?);
                self.send_error(&error, &changes, done, script.fault.as_ref()).await
            }
        }
    }

    fn note(&self, entry: Entry) -> Script {
        let name = entry.name.clone();
        let occurrence = self.shared.journal.push(entry);
        self.shared.faults.script(&name, occurrence)
    }

    /// Waits for a release; false where the client has stopped its request meanwhile.
    async fn wait(&mut self, hold: &Hold) -> io::Result<bool> {
        loop {
            tokio::select! {
                () = hold.pass() => return Ok(true),
                message = self.incoming.recv() => match message {
                    None => return Err(closed()),
                    Some(message) if message.kind == kinds::ATTENTION => return Ok(false),
                    Some(message) => self.waiting.push_back(message),
                },
            }
        }
    }

    /// Says that what was asked for last has stopped.
    pub(super) async fn attend(&mut self) -> io::Result<()> {
        let script = self.note(Entry {
            connection: self.info.connection,
            name: names::ATTENTION.to_owned(),
            text: String::new(),
            parameters: Vec::new(),
        });
        if let Some(hold) = script.hold
            && !self.wait(&hold).await?
        {
            return Err(closed());
        }
        put_done(&mut self.out.tokens, Done::Batch, done::ATTENTION, None);
        finish(&mut self.out, script.fault.as_ref()).await
    }

    /// Lets the session work where blocking is allowed.
    pub(super) async fn with_session<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut dyn Session) -> T + Send + 'static,
    ) -> io::Result<T> {
        let mut session = self.session.take().ok_or_else(closed)?;
        let worked = spawn_blocking(move || {
            let result = work(session.as_mut());
            (session, result)
        });
        let (session, result) = worked.await.map_err(io::Error::other)?;
        self.session = Some(session);
        Ok(result)
    }

    async fn work(&mut self, work: Work) -> io::Result<(Vec<Change>, Result<Reply, SqlError>)> {
        let result = match work {
            Work::Begin(isolation) => return self.begin(isolation).await,
            Work::Commit => return self.commit().await,
            Work::Rollback { savepoint, if_open } => {
                return self.rollback(savepoint, if_open).await;
            }
            Work::Save(name) => {
                let saved = self.with_session(move |session| session.save(&name)).await?;
                saved.map(|()| Reply::none())
            }
            Work::Statement { statement, handle } => {
                let reply = self.with_session(move |session| session.execute(&statement)).await?;
                reply.map(|mut reply| {
                    reply.outputs.splice(0..0, handle.map(handle_output));
                    reply
                })
            }
            Work::BulkColumns { columns, table } => {
                let known = self.with_session(move |session| session.bulk_columns(&table)).await?;
                known.and_then(|known| select(known, &columns))
            }
            Work::InsertBulk(table) => {
                self.bulk_table = Some(table);
                Ok(Reply::none())
            }
            Work::BulkRows(bulk) => match self.bulk_table.take() {
                None => Err(SqlError::new(4002, "rows came without INSERT BULK")),
                Some(table) => self
                    .with_session(move |session| {
                        session.bulk_insert(&table, &bulk.columns, bulk.rows)
                    })
                    .await?
                    .map(Reply::affected),
            },
            Work::Prepared(handle) => {
                Ok(Reply { outputs: vec![handle_output(handle)], ..Reply::none() })
            }
            Work::Nothing => Ok(Reply::none()),
            Work::Refused(error) => Err(error),
        };
        Ok((Vec::new(), result))
    }
}

/// The answer to `SELECT TOP 0 columns`.
fn select(known: Vec<Column>, wanted: &[String]) -> Result<Reply, SqlError> {
    if wanted.iter().any(|name| name == "*") {
        return Ok(Reply::rows(known, Vec::new()));
    }
    let find = |name: &String| {
        let found = known.iter().find(|column| column.name.eq_ignore_ascii_case(name));
        found.cloned().ok_or_else(|| SqlError::new(207, format!("Invalid column name '{name}'.")))
    };
    let columns: Result<Vec<Column>, SqlError> = wanted.iter().map(find).collect();
    Ok(Reply::rows(columns?, Vec::new()))
}
