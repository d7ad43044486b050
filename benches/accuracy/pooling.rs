//! Whether pooled parameters predict later records better than separate ones and than one set for
//! all: `cargo bench --bench accuracy -- pooling MODEL FILE [FILE …]`.
//!
//! The records before the cut, the earliest four fifths of all, are fitted; those from it on are
//! scored, every group with its pooled parameters, with its own, and with those of all records.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use speedfit::domain::{RecordBatch, Window};
use speedfit::fit::holdout::{Forecast, cut_time};
use speedfit::fit::{FitOptions, FitReport, Model, Observations, Sample, fit, models};
use speedfit::job::FittedGroup;
use speedfit::job::pool::PoolMode;
use speedfit::ports::{Lengths, ReadQuery, RecordSource};
use tokio_util::sync::CancellationToken;

use super::incidents;

/// Region, seconds since 1970, sample.
type Record = (String, u32, Sample);

/// One row a file and size of group.
pub(crate) fn run(arguments: &[String]) -> Result<String, String> {
    let (Some((model, files)), true) = (arguments.split_first(), arguments.len() > 1) else {
        return Err("pooling needs a model and a file of records".to_owned());
    };
    let mut text = "| file | records before the cut | groups | held out | separate | one for all \
                    | pooled |\n|---|---|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for file in files {
        text.push_str(&table(model, file)?);
    }
    Ok(text)
}

fn table(model: &str, file: &str) -> Result<String, String> {
    let source = incidents::source(file);
    let mut plan = incidents::plan(model, FitOptions::default(), PoolMode::All)?;
    let records = records(&source, &plan.limits)?;
    let times: Vec<u32> = records.iter().map(|(_, time, _)| *time).collect();
    let cut = cut_time(&[&times], 0.2).ok_or("the records have no times to cut")?;
    let end = Timestamp::from_second(i64::from(cut)).map_err(|why| why.to_string())?;
    plan.request.window = Window { from: None, to: Some(end) };
    plan.limits.window = plan.request.window;
    plan.holdout.share = 0.0;
    let fitted = incidents::fitted(&plan, &source)?;
    let form = models::by_name(model).ok_or_else(|| format!("no model `{model}`"))?;
    let before = records.iter().filter(|(_, time, _)| *time < cut).map(|(.., sample)| *sample);
    let all = Observations::new(before.collect());
    let all = fit(&*form, &all, &FitOptions::default(), &|| false);
    let after = |group: &FittedGroup| {
        let of = |(region, time, _): &&Record| *region == group.key.region && *time >= cut;
        Observations::new(records.iter().filter(of).map(|(.., sample)| *sample).collect())
    };
    let scored: Vec<Scored> = (fitted.groups.iter())
        .filter_map(|group| scored(&form, group, &all, &after(group)))
        .collect();
    let name = file.rsplit('/').next().unwrap_or(file);
    let mut rows = String::new();
    for (label, low, high) in [
        ("3 to 39", 3, 39),
        ("40 to 199", 40, 199),
        ("200 and more", 200, u64::MAX),
        ("all", 3, u64::MAX),
    ] {
        let chosen: Vec<&Scored> =
            scored.iter().filter(|s| (low..=high).contains(&s.n_before)).collect();
        let n: f64 = chosen.iter().map(|s| s.n).sum();
        let mean = |of: fn(&Scored) -> f64| chosen.iter().map(|s| s.n * of(s)).sum::<f64>() / n;
        let (own, all, pooled) = (mean(|s| s.own), mean(|s| s.all), mean(|s| s.pooled));
        let n_groups = chosen.len();
        if n_groups > 0 {
            let _ = writeln!(
                rows,
                "| `{name}` | {label} | {n_groups} | {n} | {own:.4} | {all:.4} | {pooled:.4} |"
            );
        }
    }
    Ok(rows)
}

/// Mean log scores of one group's later records.
struct Scored {
    n_before: u64,
    n: f64,
    own: f64,
    all: f64,
    pooled: f64,
}

/// `None` where the group has no later record or one of the three gives no distribution.
fn scored(
    model: &Arc<dyn Model>,
    group: &FittedGroup,
    all: &FitReport,
    after: &Observations,
) -> Option<Scored> {
    let score = |value: &dyn Fn(&str) -> Option<f64>| {
        Some(Forecast::new(&**model, value)?.scores(after)?.log_score)
    };
    let own = group.fit.as_ref().ok()?;
    let pooled = group.pooled.as_ref()?;
    let of_pool = |name: &str| {
        let row = pooled.estimates.iter().find(|row| row.estimate.name == name)?;
        Some(row.estimate.value)
    };
    Some(Scored {
        n_before: group.n_used,
        n: after.len() as f64,
        own: score(&|name| own.value(name))?,
        all: score(&|name| all.value(name))?,
        pooled: score(&of_pool)?,
    })
}

/// The accepted records of a source, with their times.
fn records(
    source: &Arc<dyn RecordSource>,
    limits: &speedfit::domain::Limits,
) -> Result<Vec<Record>, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|why| why.to_string())?;
    let query = ReadQuery { window: Window::ALL, lengths: Lengths::No, ..ReadQuery::default() };
    runtime.block_on(async {
        let (sender, mut batches) = tokio::sync::mpsc::channel::<RecordBatch>(4);
        let (reading, cancel) = (Arc::clone(source), CancellationToken::new());
        let reader = tokio::spawn(async move { reading.read(&query, sender, &cancel).await });
        let mut records = Vec::new();
        while let Some(batch) = batches.recv().await {
            for row in batch.rows() {
                let (Ok(accepted), Some(at_us)) = (limits.check(&row), row.occurred_at_us) else {
                    continue;
                };
                let time = u32::try_from(at_us / 1_000_000).map_err(|why| why.to_string())?;
                #[expect(clippy::cast_possible_truncation, reason = "as the job holds samples")]
                let sample = Sample {
                    distance_km: accepted.distance_km,
                    travel_time_s: accepted.travel_time_s as f32,
                    weight: accepted.weight as f32,
                };
                records.push((accepted.region.to_owned(), time, sample));
            }
        }
        reader.await.map_err(|why| why.to_string())?.map_err(|why| why.to_string())?;
        Ok(records)
    })
}
