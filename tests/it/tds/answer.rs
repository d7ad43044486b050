//! Sends replies, row by row where they are long, with the faults that the script wants inside.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::backend::{Part, Reply, ResultSet, Rows, SqlError};
use super::conversation::{Conversation, closed, finish};
use super::encode::{put_columns, put_row};
use super::faults::Fault;
use super::packet::kinds;
use super::tokens::{
    Change, Done, done, put_change, put_done, put_error, put_return_status, put_return_value,
    put_select_done,
};
use super::value::Value;

/// Class from which on an error ends the connection.
const FATAL_CLASS: u8 = 20;

/// How sending rows has ended.
enum Sent {
    All(u64),
    /// At the row where the script says stop.
    Limit,
    /// The client wants no more.
    Stopped,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    pub(super) async fn send_error(
        &mut self,
        error: &SqlError,
        changes: &[Change],
        done: Done,
        fault: Option<&Fault>,
    ) -> io::Result<()> {
        put_error(&mut self.out.tokens, error);
        for change in changes {
            put_change(&mut self.out.tokens, change);
        }
        put_done(&mut self.out.tokens, done, done::ERROR, None);
        finish(&mut self.out, fault).await?;
        if error.class >= FATAL_CLASS { Err(closed()) } else { Ok(()) }
    }

    pub(super) async fn send(
        &mut self,
        reply: Reply,
        changes: &[Change],
        done: Done,
        fault: Option<&Fault>,
    ) -> io::Result<()> {
        if matches!(
            fault,
            Some(
                Fault::DropAfterExecuting
                    | Fault::CloseTls { .. }
                    | Fault::Garbage
                    | Fault::Malformed
            )
        ) {
            return finish(&mut self.out, fault).await;
        }
        let mut limit = match fault {
            Some(Fault::DropInside(rows)) => *rows,
            Some(Fault::ErrorInside { after_rows, .. }) => Some(*after_rows),
            _ => None,
        };
        self.out.cut = fault == Some(&Fault::DropInside(None));
        for change in changes {
            put_change(&mut self.out.tokens, change);
        }
        let inner = if done == Done::Batch { Done::Batch } else { Done::InProcedure };
        let mut n_left = reply.parts.len();
        for part in reply.parts {
            n_left -= 1;
            let last = n_left == 0 && done == Done::Batch && limit.is_none();
            let more = if last { 0 } else { done::MORE };
            match part {
                Part::Affected(n_rows) => {
                    put_done(&mut self.out.tokens, inner, more, Some(n_rows));
                }
                Part::Rows(set) => match self.send_rows(set, &mut limit).await? {
                    Sent::All(n_rows) => {
                        put_select_done(&mut self.out.tokens, inner, more, n_rows);
                    }
                    Sent::Limit => return self.send_limit(done, fault).await,
                    Sent::Stopped => return self.attend().await,
                },
            }
            if last {
                return finish(&mut self.out, fault).await;
            }
        }
        if limit.is_some() {
            return self.send_limit(done, fault).await;
        }
        if done == Done::Procedure {
            put_return_status(&mut self.out.tokens, reply.return_value);
        }
        for (at, (column, value)) in reply.outputs.iter().enumerate() {
            put_return_value(&mut self.out.tokens, at as u16, column, value);
        }
        put_done(&mut self.out.tokens, done, 0, None);
        finish(&mut self.out, fault).await
    }

    /// What comes where the script stops the rows.
    async fn send_limit(&mut self, done: Done, fault: Option<&Fault>) -> io::Result<()> {
        let Some(Fault::ErrorInside { number, .. }) = fault else {
            self.out.ship_unended().await?;
            return Err(closed());
        };
        let error = SqlError::new(*number, format!("scripted error {number}"));
        let changes: Vec<Change> = self.end_transaction(&error).await?.into_iter().collect();
        self.send_error(&error, &changes, done, None).await
    }

    /// Sends rows up to a limit, which counts down.
    async fn send_rows(&mut self, set: ResultSet, limit: &mut Option<u64>) -> io::Result<Sent> {
        let ResultSet { columns, rows } = set;
        put_columns(&mut self.out.tokens, &columns);
        let (mut rows, mut chunks) = match rows {
            Rows::List(rows) => (Some(Box::new(rows.into_iter()) as RowIter), None),
            Rows::Stream(rows) => (Some(rows), None),
            Rows::Encoded(chunks) => (None, Some(chunks)),
        };
        let mut n_sent = 0;
        loop {
            let tokens = &mut self.out.tokens;
            let n_rows = if *limit == Some(0) {
                return Ok(Sent::Limit);
            } else if let Some(row) = rows.as_mut().and_then(Iterator::next) {
                put_row(tokens, &columns, &row);
                1
            } else if let Some(chunk) = chunks.as_mut().and_then(Iterator::next) {
                if limit.is_some_and(|limit| chunk.n_rows > limit) {
                    return Ok(Sent::Limit);
                }
                tokens.extend(&chunk.bytes);
                chunk.n_rows
            } else {
                return Ok(Sent::All(n_sent));
            };
            n_sent += n_rows;
            *limit = limit.map(|limit| limit.saturating_sub(n_rows));
            if self.out.is_full() && self.ship().await? {
                return Ok(Sent::Stopped);
            }
        }
    }

    /// Writes what has gathered; true where the client wants no more.
    async fn ship(&mut self) -> io::Result<bool> {
        let Self { out, incoming, waiting, shared, .. } = self;
        let mut stop = false;
        let mut stalled = false;
        let mut write = std::pin::pin!(out.ship(false));
        loop {
            tokio::select! {
                biased;
                written = &mut write => {
                    written?;
                    break;
                }
                message = incoming.recv() => match message {
                    None => return Err(closed()),
                    Some(message) if message.kind == kinds::ATTENTION => stop = true,
                    Some(message) => waiting.push_back(message),
                },
                () = std::future::ready(()), if !stalled => {
                    stalled = true;
                    shared.stalled.send_replace(true);
                }
            }
        }
        if stalled {
            shared.stalled.send_replace(false);
        }
        while let Ok(message) = incoming.try_recv() {
            match message.kind {
                kinds::ATTENTION => stop = true,
                _ => waiting.push_back(message),
            }
        }
        Ok(stop)
    }
}

/// Rows that are not encoded yet.
type RowIter = Box<dyn Iterator<Item = Vec<Value>> + Send>;
