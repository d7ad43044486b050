//! Parameters to CSV, JSON and Parquet, whole or not at all.

#![expect(clippy::unwrap_used, reason = "a test ends where its own steps fail")]

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch as ArrowBatch};
use flate2::read::MultiGzDecoder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use speedfit::adapters::file::{FileError, write_atomically, write_groups, write_parameters};
use speedfit::domain::{
    GroupDetail, GroupKey, GroupOutcome, GroupRow, ParameterRow, ParameterSet, ParameterStatus,
    RunId, SourceLevel, Verdict,
};
use speedfit::ports::FailureKind;
use tempfile::TempDir;

fn set() -> ParameterSet {
    let key = GroupKey { region: "A \"x\", y".into(), band: "peak".into(), priority: "1".into() };
    let parameter = |name: &str, unit: &str, estimate: f64| ParameterRow {
        key: key.clone(),
        name: name.into(),
        unit: unit.into(),
        estimate,
        std_error: Some(0.1 + 0.2),
        ci_low: Some(1e-7),
        ci_high: Some(1e21),
        raw_estimate: None,
        pool_weight: Some(0.0),
        status: ParameterStatus::Ok,
    };
    let group = |key: GroupKey, outcome, message: &str| GroupRow {
        key,
        model: "kwh".into(),
        loss: "least_squares".into(),
        outcome,
        source_level: SourceLevel::Group,
        n_read: 12,
        n_refused: 2,
        n_used: 10,
        termination: "cost_converged".into(),
        iterations: 9,
        ssr_log: Some(1.0 / 3.0),
        rmse_log: None,
        mae_s: Some(60.0),
        median_ape: Some(0.25),
        share_under_p90: Some(f64::NAN),
        condition: None,
        verdict: Verdict::Publish,
        message: message.into(),
        detail: GroupDetail { aic: Some(0.1), ..GroupDetail::default() },
    };
    ParameterSet {
        run_id: Some(RunId(7)),
        scope: "city".into(),
        groups: vec![
            group(key.clone(), GroupOutcome::Fitted, ""),
            group(GroupKey::region("Ø"), GroupOutcome::Failed, "two\nlines"),
        ],
        parameters: vec![
            parameter("acceleration_km_min2", "km/min2", 1.5),
            parameter("sigma_log", "", 0.3),
        ],
    }
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let file = fs::File::open(path).unwrap();
    MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn parameters_as_text() {
    let folder = TempDir::new().unwrap();
    let (csv, json) = (folder.path().join("p.csv"), folder.path().join("p.json"));
    write_parameters(&csv, &set()).unwrap();
    write_parameters(&json, &set()).unwrap();
    let (csv, json) = (fs::read_to_string(csv).unwrap(), fs::read_to_string(json).unwrap());
    insta::assert_snapshot!(csv, @r#"
scope,run_id,region,band,priority,name,unit,estimate,std_error,ci_low,ci_high,raw_estimate,pool_weight,status
city,7,"A ""x"", y",peak,1,acceleration_km_min2,km/min2,1.5,0.30000000000000004,1e-7,1e21,,0.0,ok
city,7,"A ""x"", y",peak,1,sigma_log,,0.3,0.30000000000000004,1e-7,1e21,,0.0,ok
"#);
    insta::assert_snapshot!(json, @r#"
[
{"scope":"city","run_id":7,"region":"A \"x\", y","band":"peak","priority":"1","name":"acceleration_km_min2","unit":"km/min2","estimate":1.5,"std_error":0.30000000000000004,"ci_low":1e-7,"ci_high":1e+21,"raw_estimate":null,"pool_weight":0.0,"status":"ok"},
{"scope":"city","run_id":7,"region":"A \"x\", y","band":"peak","priority":"1","name":"sigma_log","unit":"","estimate":0.3,"std_error":0.30000000000000004,"ci_low":1e-7,"ci_high":1e+21,"raw_estimate":null,"pool_weight":0.0,"status":"ok"}
]
"#);
    let header = csv.lines().next().unwrap();
    assert_eq!(
        header,
        "scope,run_id,region,band,priority,name,unit,estimate,std_error,ci_low,ci_high,\
         raw_estimate,pool_weight,status"
    );
    for (name, text) in [("p.csv.gz", csv), ("P.JSON.GZ", json)] {
        let path = folder.path().join(name);
        write_parameters(&path, &set()).unwrap();
        assert_eq!(unpacked(&path), text);
        let first = fs::read(&path).unwrap();
        write_parameters(&path, &set()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first, "the same bytes every time");
        assert_eq!(first[4..8], [0; 4], "no time in the header");
    }
}

#[test]
fn groups_as_text() {
    let folder = TempDir::new().unwrap();
    let (csv, json) = (folder.path().join("g.csv"), folder.path().join("g.json"));
    let set = ParameterSet { run_id: None, ..set() };
    write_groups(&csv, &set).unwrap();
    write_groups(&json, &set).unwrap();
    let csv = fs::read_to_string(csv).unwrap();
    assert_eq!(
        csv.lines().next().unwrap(),
        "scope,run_id,region,band,priority,model,loss,outcome,source_level,n_read,n_refused,\
         n_used,termination,iterations,ssr_log,rmse_log,mae_s,median_ape,share_under_p90,condition,\
         verdict,message"
    );
    insta::assert_snapshot!(csv, @r#"
scope,run_id,region,band,priority,model,loss,outcome,source_level,n_read,n_refused,n_used,termination,iterations,ssr_log,rmse_log,mae_s,median_ape,share_under_p90,condition,verdict,message
city,,"A ""x"", y",peak,1,kwh,least_squares,fitted,group,12,2,10,cost_converged,9,0.3333333333333333,,60.0,0.25,,,publish,
city,,Ø,,,kwh,least_squares,failed,group,12,2,10,cost_converged,9,0.3333333333333333,,60.0,0.25,,,publish,"two
lines"
"#);
    let json = fs::read_to_string(json).unwrap();
    insta::assert_snapshot!(json, @r#"
[
{"scope":"city","run_id":null,"region":"A \"x\", y","band":"peak","priority":"1","model":"kwh","loss":"least_squares","outcome":"fitted","source_level":"group","n_read":12,"n_refused":2,"n_used":10,"termination":"cost_converged","iterations":9,"ssr_log":0.3333333333333333,"rmse_log":null,"mae_s":60.0,"median_ape":0.25,"share_under_p90":null,"condition":null,"verdict":"publish","message":"","detail":{"correlations":[],"log_likelihood":null,"aic":0.1,"bic":null,"holdout":null,"distance_min_km":null,"distance_max_km":null}},
{"scope":"city","run_id":null,"region":"Ø","band":"","priority":"","model":"kwh","loss":"least_squares","outcome":"failed","source_level":"group","n_read":12,"n_refused":2,"n_used":10,"termination":"cost_converged","iterations":9,"ssr_log":0.3333333333333333,"rmse_log":null,"mae_s":60.0,"median_ape":0.25,"share_under_p90":null,"condition":null,"verdict":"publish","message":"two\nlines","detail":{"correlations":[],"log_likelihood":null,"aic":0.1,"bic":null,"holdout":null,"distance_min_km":null,"distance_max_km":null}}
]
"#);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    let numbers: GroupRow = serde_json::from_value(rows[0].clone()).unwrap();
    assert_eq!(numbers.ssr_log, Some(1.0 / 3.0));
    assert_eq!(numbers.detail, set.groups[0].detail);
}

#[test]
fn a_set_without_rows_has_its_header() {
    let folder = TempDir::new().unwrap();
    let set = ParameterSet::default();
    let written = |name: &str| {
        let path = folder.path().join(name);
        write_parameters(&path, &set).unwrap();
        path
    };
    assert_eq!(fs::read_to_string(written("p.csv")).unwrap().lines().count(), 1);
    assert_eq!(fs::read_to_string(written("p.json")).unwrap(), "[\n]\n");
    assert_eq!(parquet(&written("p.parquet")).num_columns(), 14);
}

fn parquet(path: &Path) -> ArrowBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap();
    let schema = builder.schema().clone();
    let batch = builder.build().unwrap().next().transpose().unwrap();
    batch.unwrap_or_else(|| ArrowBatch::new_empty(schema))
}

#[test]
fn tables_as_parquet() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("t.parquet");
    write_parameters(&path, &set()).unwrap();
    let types = |batch: &ArrowBatch| {
        let fields = batch.schema();
        let fields = fields.fields().iter();
        fields.map(|f| format!("{} {}\n", f.name(), f.data_type())).collect::<String>()
    };
    let batch = parquet(&path);
    insta::assert_snapshot!(types(&batch), @r"
scope Utf8
run_id Int64
region Utf8
band Utf8
priority Utf8
name Utf8
unit Utf8
estimate Float64
std_error Float64
ci_low Float64
ci_high Float64
raw_estimate Float64
pool_weight Float64
status Utf8
");
    assert_eq!(batch["run_id"].as_primitive::<Int64Type>().values(), &[7, 7]);
    assert_eq!(batch["std_error"].as_primitive::<Float64Type>().value(0), 0.1 + 0.2);
    assert!(batch["raw_estimate"].is_null(1));
    assert_eq!(batch["region"].as_string::<i32>().value(1), "A \"x\", y");
    write_groups(&path, &ParameterSet { run_id: None, ..set() }).unwrap();
    let batch = parquet(&path);
    insta::assert_snapshot!(types(&batch), @r"
scope Utf8
run_id Int64
region Utf8
band Utf8
priority Utf8
model Utf8
loss Utf8
outcome Utf8
source_level Utf8
n_read Int64
n_refused Int64
n_used Int64
termination Utf8
iterations Int64
ssr_log Float64
rmse_log Float64
mae_s Float64
median_ape Float64
share_under_p90 Float64
condition Float64
verdict Utf8
message Utf8
");
    assert_eq!(batch["run_id"].null_count(), 2);
    assert!(batch["share_under_p90"].is_null(0), "what is not finite is null");
    assert_eq!(batch["message"].as_string::<i32>().value(1), "two\nlines");
}

#[test]
fn names_that_tell_no_format_are_refused() {
    let folder = TempDir::new().unwrap();
    let check = |name: &str, expected: &str| {
        let error = write_parameters(&folder.path().join(name), &set()).unwrap_err();
        let text = error.to_string().replace(&format!("{}/", folder.path().display()), "");
        assert_eq!(format!("{text}; {}", error.hint().unwrap()), expected);
    };
    check(
        "p.txt",
        "cannot tell the format of `p.txt` from its name; \
         let the name end in `.csv`, `.json`, `.csv.gz`, `.json.gz` or `.parquet`",
    );
    check(
        "p.parquet.gz",
        "`p.parquet.gz` is Parquet inside gzip, which is not supported; \
         leave off `.gz`: Parquet is compressed already",
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_fails_leaves_the_old_file_and_no_trace() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("p.csv");
    fs::write(&path, "old").unwrap();
    let full = |out: &mut (dyn Write + Send)| {
        out.write_all(&[b'x'; 100_000])?;
        Err(io::ErrorKind::StorageFull.into())
    };
    let error = write_atomically(&path, full).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Full);
    assert!(matches!(error, FileError::Write { .. }), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    write_atomically(&path, |out| out.write_all(b"new")).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let error = write_parameters(&folder.path().join("none/p.csv"), &set()).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Missing);
    assert_eq!(error.hint().as_deref(), Some("make the folder first"));
    fs::create_dir(folder.path().join("d.json")).unwrap();
    let error = write_parameters(&folder.path().join("d.json"), &set()).unwrap_err();
    assert!(matches!(error, FileError::NotAFile { .. }), "{error}");
}
