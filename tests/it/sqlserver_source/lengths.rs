//! Lengths by class of road: read where they are asked for, whatever the columns are called.

use speedfit::adapters::file::{DistanceUnit, LengthColumns};
use speedfit::adapters::sqlserver::SourceOptions;
use speedfit::ports::{Lengths, ReadQuery};

use super::{Served, read, told, usual, usual_columns};
use crate::tds::{Column, ColumnType as T, Value};

fn asking(lengths: Lengths) -> ReadQuery {
    ReadQuery { lengths, ..ReadQuery::default() }
}

async fn served() -> Served {
    let mut columns = usual_columns();
    columns.push(Column::new("length_main_km", T::Float));
    columns.push(Column::new("LenStreet", T::Decimal(9, 3)));
    columns.push(Column::new("length_side_km", T::NVarChar(10)));
    let row = |tail: [Value; 3]| {
        let mut row = usual("A", 2.0, "2026-01-05T08:00:00");
        row.extend(tail);
        row
    };
    let rows = vec![
        row([1.5.into(), 500.0.into(), "0.25".into()]),
        row([Value::Null, Value::Null, "x".into()]),
    ];
    Served::with(columns, rows).await
}

/// Classes, and lengths row by row.
async fn lengths(options: SourceOptions, asked: Lengths) -> (Vec<String>, Vec<Vec<Option<f64>>>) {
    let batch = read(options, &asking(asked)).await.unwrap();
    (batch.classes.to_vec(), batch.rows().map(|row| row.lengths_km.to_vec()).collect())
}

#[tokio::test]
async fn lengths_are_read_where_they_are_asked_for() {
    let served = served().await;
    let none = lengths(served.incidents(), Lengths::No).await;
    assert_eq!(none, (vec![], vec![vec![], vec![]]));
    assert!(!served.texts("read_records").iter().any(|text| text.contains("length_")));
    let contract = lengths(served.incidents(), Lengths::IfAny).await;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let expected = vec![vec![Some(1.5), Some(0.25)], vec![None, None]];
    assert_eq!(contract, (names(&["main", "side"]), expected));
    let named = |class: &str, column: &str| (class.to_owned(), column.to_owned());
    let options = SourceOptions {
        lengths: LengthColumns::Named(vec![named("street", "lenstreet")]),
        distance_unit: DistanceUnit::M,
        ..served.incidents()
    };
    let mapped = lengths(options, Lengths::Needed).await;
    assert_eq!(mapped, (names(&["street"]), vec![vec![Some(0.5)], vec![None]]));
}

#[tokio::test]
async fn lengths_that_are_not_there_are_told() {
    let served = Served::with(usual_columns(), vec![]).await;
    let needed = asking(Lengths::Needed);
    let text = told(&read(served.incidents(), &needed).await.unwrap_err());
    assert!(text.contains("no column `length_<class>_km`"), "{text}");
    let named = vec![("a".to_owned(), "region".to_owned()), ("b".to_owned(), "LenB".to_owned())];
    let lengths = LengthColumns::Named(named);
    let options = SourceOptions { lengths, ..served.incidents() };
    let text = told(&read(options.clone(), &needed).await.unwrap_err());
    assert!(text.contains("has no column `LenB`"), "{text}");
    assert!(read(options, &asking(Lengths::No)).await.is_ok());
}
