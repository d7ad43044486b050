//! Every fault, at statements and at logins: what the client sees and what the server has done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::StreamExt as _;
use tiberius::error::Error;

use super::client::{Tiberius, config, connect, connect_with, number};
use crate::tds::{Answers, Column, ColumnType, Fault, Options, Reply, TdsServer, Value};

const N_ROWS: i64 = 100;

/// A server whose statements return rows, and a count of those executed.
async fn start() -> (Arc<AtomicU32>, TdsServer, Tiberius) {
    let executed = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&executed);
    let answers = Answers::new(move |statement| {
        counter.fetch_add(1, Ordering::Relaxed);
        let columns = vec![Column::new("n", ColumnType::BigInt)];
        let rows = (0..N_ROWS).map(|n| vec![Value::Int(n)]);
        Ok(match statement.name.as_deref() {
            Some("write") => Reply::affected(3),
            _ => Reply::stream(columns, rows),
        })
    });
    let server = TdsServer::start(Options::default(), answers).await.unwrap();
    let client = connect(&server).await;
    (executed, server, client)
}

/// Rows that arrive, and how it ends.
async fn read(client: &mut Tiberius) -> (i64, Result<(), Error>) {
    let stream = match client.query("-- read\nSELECT", &[]).await {
        Ok(stream) => stream,
        Err(error) => return (0, Err(error)),
    };
    let mut rows = stream.into_row_stream();
    let mut n_rows = 0;
    loop {
        match rows.next().await {
            None => return (n_rows, Ok(())),
            Some(Ok(_)) => n_rows += 1,
            Some(Err(error)) => return (n_rows, Err(error)),
        }
    }
}

/// What a fault does at the second of three reads: rows that arrive, whether the statement is
/// executed, and whether the connection is closed.
async fn check(
    fault: Fault,
    n_rows: std::ops::RangeInclusive<i64>,
    is_executed: bool,
    closed: bool,
) {
    let (executed, server, mut client) = start().await;
    server.faults().on("read", 2, fault.clone());
    let (n_whole, result) = read(&mut client).await;
    result.unwrap();
    assert_eq!(n_whole, N_ROWS);
    let (n_read, result) = read(&mut client).await;
    assert!(n_rows.contains(&n_read), "{fault:?}: {n_read} rows");
    if fault == Fault::DropAfter {
        result.unwrap();
    } else {
        result.unwrap_err();
    }
    assert_eq!(executed.load(Ordering::Relaxed), 1 + u32::from(is_executed), "{fault:?}");
    if closed {
        server.opened(0).await;
        read(&mut client).await.1.unwrap_err();
        client = connect(&server).await;
    }
    if !matches!(fault, Fault::Garbage | Fault::Malformed) {
        assert_eq!(read(&mut client).await.0, N_ROWS);
    }
}

#[tokio::test]
async fn faults_of_a_read() {
    check(Fault::error(1222), 0..=0, false, false).await;
    let fatal = Fault::Error { number: 233, class: 20, message: "gone".to_owned() };
    check(fatal, 0..=0, false, true).await;
    check(Fault::DropBefore, 0..=0, false, true).await;
    check(Fault::DropInside(None), 0..=N_ROWS - 1, true, true).await;
    check(Fault::DropInside(Some(7)), 7..=7, true, true).await;
    check(Fault::DropInside(Some(1000)), N_ROWS..=N_ROWS, true, true).await;
    check(Fault::DropAfterExecuting, 0..=0, true, true).await;
    check(Fault::DropAfter, N_ROWS..=N_ROWS, true, true).await;
    check(Fault::Garbage, 0..=0, true, false).await;
    check(Fault::Malformed, 0..=0, true, false).await;
    check(Fault::CloseTls { notify: true }, 0..=0, true, true).await;
    check(Fault::ErrorInside { after_rows: 7, number: 1205 }, 7..=7, true, false).await;
    check(Fault::ErrorInside { after_rows: 1000, number: 1205 }, N_ROWS..=N_ROWS, true, false)
        .await;
}

#[tokio::test]
async fn faults_of_a_write() {
    for (fault, is_executed) in [
        (Fault::error(40_501), false),
        (Fault::DropBefore, false),
        (Fault::DropInside(None), true),
        (Fault::DropInside(Some(0)), true),
        (Fault::DropAfterExecuting, true),
        (Fault::Garbage, true),
        (Fault::ErrorInside { after_rows: 0, number: 3960 }, true),
    ] {
        let (executed, server, mut client) = start().await;
        server.faults().on("write", 1, fault.clone());
        client.execute("-- write\nUPDATE", &[]).await.unwrap_err();
        assert_eq!(executed.load(Ordering::Relaxed), u32::from(is_executed), "{fault:?}");
    }
}

#[tokio::test]
async fn faults_of_transactions() {
    for name in ["begin", "commit", "rollback"] {
        for fault in [
            Fault::error(40_613),
            Fault::DropBefore,
            Fault::DropInside(None),
            Fault::DropAfterExecuting,
            Fault::Garbage,
        ] {
            let (_, server, mut client) = start().await;
            server.faults().on(name, 1, fault.clone());
            let begun = client.begin_transaction().await;
            assert_eq!(begun.is_err(), name == "begin", "{fault:?}");
            let ended = match name {
                "commit" => client.commit_transaction().await,
                "rollback" => client.rollback_transaction().await,
                _ => continue,
            };
            ended.unwrap_err();
        }
    }
}

#[tokio::test]
async fn faults_of_a_login() {
    for name in ["prelogin", "login"] {
        for fault in [
            Fault::error(40_613),
            Fault::DropBefore,
            Fault::DropInside(None),
            Fault::DropAfterExecuting,
            Fault::Garbage,
            Fault::CloseTls { notify: true },
        ] {
            let (_, server, _client) = start().await;
            server.faults().on(name, 2, fault.clone());
            let refused = connect_with(&server, config(&server)).await.map(drop);
            let code = refused.unwrap_err().code();
            let expected = (name == "login" && fault == Fault::error(40_613)).then_some(40_613);
            assert_eq!(code, expected, "{fault:?}");
            connect(&server).await;
        }
    }
}

/// tiberius 0.13 takes a thread id in the answer for impossible, where debug assertions are on.
#[tokio::test]
#[cfg(debug_assertions)]
async fn a_malformed_pre_login_makes_the_client_panic() {
    let (_, server, _client) = start().await;
    server.faults().on("prelogin", 2, Fault::Malformed);
    let config = config(&server);
    let address = server.address();
    let task = tokio::spawn(async move {
        use tokio_util::compat::TokioAsyncWriteCompatExt as _;
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        tiberius::Client::connect(config, stream.compat_write()).await.map(drop)
    });
    assert!(task.await.unwrap_err().is_panic());
}

#[tokio::test]
async fn a_held_statement_waits_and_others_go_on() {
    let (executed, server, mut client) = start().await;
    let hold = server.faults().hold("read", 1);
    server.faults().always("write", Fault::error(547));
    let mut other = connect(&server).await;
    let ((n_rows, _), ()) = tokio::join!(read(&mut client), async {
        hold.reached().await;
        assert_eq!(executed.load(Ordering::Relaxed), 0);
        assert_eq!(number(other.execute("-- write\nUPDATE", &[]).await), Some(547));
        hold.release();
    });
    assert_eq!((n_rows, executed.load(Ordering::Relaxed)), (N_ROWS, 1));
    server.faults().clear();
    assert_eq!(other.execute("-- write\nUPDATE", &[]).await.unwrap().total(), 3);
}

#[tokio::test]
async fn a_held_connection_ends_with_its_client() {
    let (_, server, client) = start().await;
    let hold = server.faults().hold("read", 1);
    let mut client = Some(client);
    tokio::select! {
        _ = read(client.as_mut().unwrap()) => panic!("not released"),
        () = hold.reached() => {}
    }
    drop(client.take());
    server.opened(0).await;
}
