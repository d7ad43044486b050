//! Transaction requests: isolation levels, nesting, errors that end a transaction.

use std::sync::{Arc, Mutex};

use tiberius::IsolationLevel;

use super::client::{Tiberius, connect, number};
use crate::tds::{
    Backend, Column, Fault, Isolation, LoginInfo, Options, Reply, Session, SqlError, Statement,
    TdsServer, Value,
};

/// Notes what happens to transactions.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap().push(note.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Backend for Notes {
    fn session(&self, _login: &LoginInfo) -> Result<Box<dyn Session>, SqlError> {
        Ok(Box::new(self.clone()))
    }
}

impl Session for Notes {
    fn execute(&mut self, statement: &Statement) -> Result<Reply, SqlError> {
        match statement.name.as_deref() {
            Some("deadlock") => Err(SqlError::new(1205, "chosen as the deadlock victim")),
            Some("duplicate") => Err(SqlError::new(2627, "Violation of PRIMARY KEY constraint")),
            _ => Ok(Reply::affected(1)),
        }
    }

    fn begin(&mut self, isolation: Isolation) -> Result<(), SqlError> {
        self.add(format!("begin {isolation:?}"));
        Ok(())
    }

    fn commit(&mut self) -> Result<(), SqlError> {
        self.add("commit");
        Ok(())
    }

    fn rollback(&mut self) -> Result<(), SqlError> {
        self.add("rollback");
        Ok(())
    }

    fn save(&mut self, name: &str) -> Result<(), SqlError> {
        self.add(format!("save {name}"));
        Ok(())
    }

    fn rollback_to(&mut self, name: &str) -> Result<(), SqlError> {
        self.add(format!("rollback to {name}"));
        Ok(())
    }

    fn bulk_columns(&mut self, _table: &str) -> Result<Vec<Column>, SqlError> {
        Ok(Vec::new())
    }

    fn bulk_insert(
        &mut self,
        _table: &str,
        _columns: &[String],
        rows: Vec<Vec<Value>>,
    ) -> Result<u64, SqlError> {
        Ok(rows.len() as u64)
    }
}

async fn start() -> (Notes, TdsServer, Tiberius) {
    let notes = Notes::default();
    let server = TdsServer::start(Options::default(), notes.clone()).await.unwrap();
    let client = connect(&server).await;
    (notes, server, client)
}

#[tokio::test]
async fn requests_reach_the_session() {
    let (notes, server, mut client) = start().await;
    for level in [IsolationLevel::Snapshot, IsolationLevel::ReadCommitted] {
        client.begin_transaction_with_isolation(level).await.unwrap();
        client.save_transaction("half").await.unwrap();
        client.simple_query("ROLLBACK TRANSACTION half").await.unwrap();
        client.commit_transaction().await.unwrap();
    }
    client.begin_transaction().await.unwrap();
    client.rollback_transaction().await.unwrap();
    let round = |begin| [begin, "save half", "rollback to half", "commit"];
    let mut expected = round("begin Snapshot").to_vec();
    expected.extend(round("begin ReadCommitted"));
    expected.extend(["begin ReadCommitted", "rollback"]);
    assert_eq!(notes.take(), expected);
    assert_eq!(server.journal().count("save"), 2);
    assert_eq!(server.journal().count("begin"), 3);
}

#[tokio::test]
async fn statements_nest_transactions_and_miss_them() {
    let (notes, _server, mut client) = start().await;
    assert_eq!(number(client.simple_query("COMMIT").await), Some(3902));
    assert_eq!(number(client.simple_query("ROLLBACK TRANSACTION;").await), Some(3903));
    let texts = [
        "BEGIN TRANSACTION",
        "begin tran",
        "COMMIT",
        "IF @@TRANCOUNT > 0 ROLLBACK",
        "IF @@TRANCOUNT > 0 ROLLBACK",
    ];
    for text in texts {
        client.simple_query(text).await.unwrap().into_results().await.unwrap();
    }
    assert_eq!(notes.take(), ["begin ReadCommitted", "rollback"]);
}

#[tokio::test]
async fn a_deadlock_ends_the_transaction_and_a_duplicate_does_not() {
    let (notes, _server, mut client) = start().await;
    client.begin_transaction().await.unwrap();
    assert_eq!(number(client.execute("-- duplicate\nINSERT", &[]).await), Some(2627));
    assert_eq!(notes.take(), ["begin ReadCommitted"]);
    assert_eq!(number(client.execute("-- deadlock\nINSERT", &[]).await), Some(1205));
    assert_eq!(notes.take(), ["rollback"]);
    assert_eq!(number(client.commit_transaction().await), Some(3902));
}

#[tokio::test]
async fn a_scripted_error_leaves_a_commit_undone() {
    let (notes, server, mut client) = start().await;
    server.faults().on("commit", 1, Fault::error(40_613));
    client.begin_transaction().await.unwrap();
    assert_eq!(number(client.commit_transaction().await), Some(40_613));
    assert_eq!(notes.take(), ["begin ReadCommitted"]);
    client.commit_transaction().await.unwrap();
    assert_eq!(notes.take(), ["commit"]);
}
