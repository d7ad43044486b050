//! Transactions of a connection, nested ones counted as the server does.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::backend::{Isolation, Reply, SqlError};
use super::conversation::Conversation;
use super::tokens::Change;

type Outcome = (Vec<Change>, Result<Reply, SqlError>);

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    pub(super) async fn begin(&mut self, isolation: Isolation) -> io::Result<Outcome> {
        if self.depth == 0
            && let Err(error) = self.with_session(move |session| session.begin(isolation)).await?
        {
            return Ok((Vec::new(), Err(error)));
        }
        if self.depth == 0 {
            self.transaction += 1;
        }
        self.depth += 1;
        Ok((vec![Change::Begin(self.transaction)], Ok(Reply::none())))
    }

    pub(super) async fn commit(&mut self) -> io::Result<Outcome> {
        match self.depth {
            0 => {
                let message =
                    "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.";
                Ok((Vec::new(), Err(SqlError::new(3902, message))))
            }
            1 => {
                if let Err(error) = self.with_session(|session| session.commit()).await? {
                    return Ok((Vec::new(), Err(error)));
                }
                self.depth = 0;
                Ok((vec![Change::Commit(self.transaction)], Ok(Reply::none())))
            }
            _ => {
                self.depth -= 1;
                Ok((Vec::new(), Ok(Reply::none())))
            }
        }
    }

    pub(super) async fn rollback(
        &mut self,
        savepoint: String,
        if_open: bool,
    ) -> io::Result<Outcome> {
        if self.depth == 0 {
            let message =
                "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.";
            let result =
                if if_open { Ok(Reply::none()) } else { Err(SqlError::new(3903, message)) };
            return Ok((Vec::new(), result));
        }
        if !savepoint.is_empty() {
            let back = self.with_session(move |session| session.rollback_to(&savepoint)).await?;
            return Ok((Vec::new(), back.map(|()| Reply::none())));
        }
        let result = self.with_session(|session| session.rollback()).await?;
        self.depth = 0;
        Ok((vec![Change::Rollback(self.transaction)], result.map(|()| Reply::none())))
    }

    /// Rolls the transaction back where an error does that; what the client is told of it.
    pub(super) async fn end_transaction(&mut self, error: &SqlError) -> io::Result<Option<Change>> {
        let ends = error.ends_transaction || error.class >= 20;
        if self.depth == 0 || !(ends || self.with_session(|session| session.xact_abort()).await?) {
            return Ok(None);
        }
        self.depth = 0;
        // The error at hand is what the client is told; one of the rollback would hide it.
        let _ = self.with_session(|session| session.rollback()).await?;
        Ok(Some(Change::Rollback(self.transaction)))
    }
}
