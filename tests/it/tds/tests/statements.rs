//! Batches, parameterised statements, prepared ones, procedures; names and the journal.

use tiberius::Command;

use super::client::{connect, number, server};
use crate::tds::{Column, ColumnType, Reply, SqlError, Value};

fn one(value: i32) -> Reply {
    Reply::rows(vec![Column::new("n", ColumnType::Int)], vec![vec![value.into()]])
}

#[tokio::test]
async fn statements_are_known_by_their_first_line() {
    let server = server(|statement| match statement.name.as_deref() {
        Some("first_one") => Ok(one(1)),
        Some("second") => Ok(one(2)),
        None => Ok(one(3)),
        name => panic!("{name:?}"),
    })
    .await;
    let mut client = connect(&server).await;
    let texts = [
        "-- first_one\nSELECT",
        "-- second: @P1 what it is for\nSELECT @P1",
        "-- Not a name\nSELECT",
    ];
    for (text, expected) in texts.into_iter().zip(1..) {
        let row = client.query(text, &[&7]).await.unwrap().into_row().await.unwrap().unwrap();
        assert_eq!(row.get::<i32, _>("n"), Some(expected));
        let row = client.simple_query(text).await.unwrap().into_row().await.unwrap().unwrap();
        assert_eq!(row.get::<i32, _>(0), Some(expected));
    }
    let journal = server.journal();
    assert_eq!(journal.count("first_one"), 2);
    let second = &journal.of("second")[0];
    assert_eq!((second.connection, second.text.as_str()), (1, texts[1]));
    assert_eq!(second.parameters[0].name, "@P1");
    assert_eq!(second.parameters[0].value, Value::Int(7));
}

#[tokio::test]
async fn results_and_counts_come_in_order() {
    let server = server(|_| Ok(one(1).and_affected(5).and_rows(Vec::new(), Vec::new()))).await;
    let mut client = connect(&server).await;
    let affected = client.execute("-- change\nUPDATE", &[]).await.unwrap();
    assert!(affected.rows_affected().contains(&5), "{affected:?}");
    let results = client.simple_query("SELECT").await.unwrap().into_results().await.unwrap();
    assert_eq!(results.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0]);
}

#[tokio::test]
async fn an_error_keeps_its_number_and_the_connection_goes_on() {
    let server = server(|statement| match statement.name.as_deref() {
        Some("wrong") => Err(SqlError::new(207, "Invalid column name 'x'.")),
        _ => Ok(one(1)),
    })
    .await;
    let mut client = connect(&server).await;
    assert_eq!(number(client.execute("-- wrong\nSELECT", &[]).await), Some(207));
    assert_eq!(number(client.simple_query("-- wrong\nSELECT").await), Some(207));
    client.simple_query("SELECT").await.unwrap().into_row().await.unwrap().unwrap();
}

#[tokio::test]
async fn long_statements_span_packets() {
    let server = server(|statement| {
        let column = Column::new("text", ColumnType::NVarCharMax);
        Ok(Reply::rows(vec![column], vec![vec![statement.text.clone().into()]]))
    })
    .await;
    let mut config = super::client::config(&server);
    config.packet_size(512);
    let mut client = super::client::connect_with(&server, config).await.unwrap();
    let text = format!("-- long\nSELECT '{}'", "Ω".repeat(100_000));
    for row in [
        client.simple_query(&text).await.unwrap().into_row().await.unwrap().unwrap(),
        client.query(&text, &[&1]).await.unwrap().into_row().await.unwrap().unwrap(),
    ] {
        assert_eq!(row.get::<&str, _>(0), Some(text.as_str()));
    }
}

#[tokio::test]
async fn prepared_statements_are_executed_by_their_handle() {
    let server = server(|statement| {
        let sum = statement.p(1).as_int().unwrap() + statement.p(2).as_int().unwrap();
        Ok(one(i32::try_from(sum).unwrap()))
    })
    .await;
    let mut client = connect(&server).await;
    let mut prepare = Command::new("sp_prepare");
    prepare.bind_out_param("@handle", None::<i32>);
    prepare.bind_param("@params", "@a int, @b int");
    prepare.bind_param("@stmt", "-- sum\nSELECT @a + @b");
    let result = prepare.exec(&mut client).await.unwrap().into_command_result().await.unwrap();
    let handle = result.try_return_value::<i32>("@handle").unwrap().unwrap();
    let mut execute = Command::new("sp_execute");
    execute.bind_param("@handle", handle);
    execute.bind_param("", 2);
    execute.bind_param("", 3);
    let result = execute.exec(&mut client).await.unwrap().into_command_result().await.unwrap();
    drop(result);
    let [entry] = &server.journal().of("sum")[..] else { panic!("one entry") };
    assert_eq!(
        (entry.parameters[1].name.as_str(), &entry.parameters[1].value),
        ("@b", &Value::Int(3))
    );
    let unprepare = || {
        let mut unprepare = Command::new("sp_unprepare");
        unprepare.bind_param("@handle", handle);
        unprepare
    };
    unprepare().exec(&mut client).await.unwrap().into_command_result().await.unwrap();
    let again = unprepare().exec(&mut client).await.unwrap().into_command_result().await;
    assert_eq!(number(again), Some(8179));
}

#[tokio::test]
async fn a_procedure_has_parameters_outputs_and_a_return_value() {
    let server = server(|statement| {
        assert_eq!(statement.name.as_deref(), Some("sp_getapplock"));
        assert_eq!(statement.parameter("@Resource").unwrap().as_text(), Some("speedfit"));
        let output = (Column::new("@owner", ColumnType::NVarChar(10)), Value::from("me"));
        Ok(Reply { return_value: -1, outputs: vec![output], ..Reply::none() })
    })
    .await;
    let mut client = connect(&server).await;
    let mut command = Command::new("sp_getapplock");
    command.bind_param("@Resource", "speedfit");
    command.bind_out_param("@owner", "");
    let result = command.exec(&mut client).await.unwrap().into_command_result().await.unwrap();
    assert_eq!(result.return_code().cast_signed(), -1);
    assert_eq!(result.try_return_value::<&str>("@owner").unwrap(), Some("me"));
}
