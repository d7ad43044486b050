//! What `speedfit doctor` asks of any SQL Server, source or store: whether it is reached, what it
//! is, how the wire is kept, who is logged in and what that login may, and whether its clock agrees.

use jiff::SignedDuration;
use tiberius::{FromSql, Row};

use super::connection::{Connection, Connector};
use super::error::{SqlServerError, UnitError};
use super::moment::Moment;
use super::options::{Encryption, ServerOptions, Trust};
use crate::ports::{Finding, Grade, PortError};

/// First version that speedfit is written for: SQL Server 2017.
const OLDEST_MAJOR: u32 = 14;
/// `SERVERPROPERTY('EngineEdition')` of Azure's services, whose version number says nothing.
const AZURE_EDITIONS: [i32; 3] = [5, 8, 12];
/// Difference of the clocks from which windows and the ledger's times mislead.
const MAX_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Tries to connect, once. Says how it went and how the wire is kept; the connection, where there
/// is one.
pub(super) async fn reach(
    connector: &Connector,
    findings: &mut Vec<Finding>,
) -> Option<Connection> {
    let connection = match connector.connect().await {
        Ok(connection) => {
            let text = format!("reached {}", connector.options());
            findings.push(Finding::new("connection", Grade::Good, text));
            Some(connection)
        }
        Err(error) => {
            findings.push(failed("connection", connector, "connect", error));
            None
        }
    };
    findings.extend(wire(connector.options()));
    connection
}

/// What any server is asked once it is reached.
pub(super) async fn look(
    connection: &mut Connection,
    connector: &Connector,
    findings: &mut Vec<Finding>,
) {
    findings.push(match version(connection).await {
        Ok(finding) => finding,
        Err(error) => failed("version", connector, "ask for the version", error),
    });
    match rights(connection).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(failed("login", connector, "ask for the login", error)),
    }
    findings.push(match clock(connection, connector).await {
        Ok(finding) => finding,
        Err(error) => failed("clock", connector, "ask for the time", error),
    });
}

/// A check that could not be made.
pub(super) fn failed(
    check: &str,
    connector: &Connector,
    doing: &str,
    error: impl Into<UnitError>,
) -> Finding {
    let error = SqlServerError::new(doing, connector.options(), error.into());
    Finding::failed(check, &PortError::from(error))
}

/// A column of a row, which has to be there and not null.
pub(super) fn cell<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T, UnitError> {
    row.try_get(column)?
        .ok_or_else(|| UnitError::Value { column: column.to_owned(), what: "is null".to_owned() })
}

/// The only row of the only result.
pub(super) fn only_row(results: Vec<Vec<Row>>) -> Result<Row, UnitError> {
    let mut rows = results.into_iter().flatten();
    match (rows.next(), rows.next()) {
        (Some(row), None) => Ok(row),
        _ => Err(UnitError::Value {
            column: "*".to_owned(),
            what: "the answer is not one row".to_owned(),
        }),
    }
}

/// How the wire is kept, by the settings.
fn wire(options: &ServerOptions) -> Vec<Finding> {
    let encryption = |grade, text: &str| Finding::new("encryption", grade, text);
    let stricter = "set `encryption = \"required\"`, or `\"strict\"` where the server has TDS 8";
    let mut findings = vec![match options.encryption {
        Encryption::Strict => encryption(Grade::Good, "TLS from the first byte (TDS 8)"),
        Encryption::Required => encryption(Grade::Good, "TLS for the whole session"),
        Encryption::LoginOnly => {
            encryption(Grade::Warning, "TLS for the login only: records travel in the clear")
                .with_remedy(stricter)
        }
        Encryption::Off => {
            encryption(Grade::Warning, "none: password and records travel in the clear")
                .with_remedy(stricter)
        }
    }];
    if options.encryption != Encryption::Off {
        findings.push(trust(&options.trust));
    }
    findings
}

fn trust(trust: &Trust) -> Finding {
    match trust {
        Trust::System => Finding::new(
            "certificate",
            Grade::Good,
            "verified against the operating system's authorities",
        ),
        Trust::CaFile(path) => {
            let text = format!("verified, the authorities in `{}` included", path.display());
            Finding::new("certificate", Grade::Good, text)
        }
        Trust::AnyCertificate => {
            Finding::new("certificate", Grade::Warning, "every one is accepted, a forged one too")
                .with_remedy(
                    "set `trust_any_certificate = false`, and `ca_file` to the authority that \
                     signed the server's certificate",
                )
        }
    }
}

async fn version(connection: &mut Connection) -> Result<Finding, UnitError> {
    let row = only_row(connection.query(include_str!("sql/server_version.sql"), &[]).await?)?;
    let edition: i32 = cell(&row, "engine_edition")?;
    Ok(judge_version(
        cell(&row, "product_version")?,
        cell(&row, "edition")?,
        AZURE_EDITIONS.contains(&edition),
        cell(&row, "version_text")?,
    ))
}

fn judge_version(product: &str, edition: &str, azure: bool, text: &str) -> Finding {
    let name = text.lines().next().unwrap_or_default().trim();
    let found = format!("{name}; version {product}, {edition}");
    let major: Option<u32> = product.split('.').next().and_then(|major| major.parse().ok());
    match major {
        Some(major) if !azure && major < OLDEST_MAJOR => {
            Finding::new("version", Grade::Warning, found)
                .with_remedy("use SQL Server 2017 (14.0) or later: older ones are not tested")
        }
        _ => Finding::new("version", Grade::Good, found),
    }
}

async fn rights(connection: &mut Connection) -> Result<Vec<Finding>, UnitError> {
    let row = only_row(connection.query(include_str!("sql/login_rights.sql"), &[]).await?)?;
    let (login, user): (&str, &str) = (cell(&row, "login_name")?, cell(&row, "user_name")?);
    let database: &str = cell(&row, "database_name")?;
    let text = format!("`{login}`, user `{user}` of database `{database}`");
    let mut powers = Vec::new();
    for (column, power) in [
        ("is_sysadmin", "member of `sysadmin`"),
        ("has_control_server", "CONTROL SERVER"),
        ("is_db_owner", "member of `db_owner`"),
        ("has_control", "CONTROL on the database"),
    ] {
        if cell::<i32>(&row, column)? == 1 {
            powers.push(power);
        }
    }
    Ok(vec![Finding::new("login", Grade::Good, text), judge_powers(&powers)])
}

fn judge_powers(powers: &[&str]) -> Finding {
    if powers.is_empty() {
        return Finding::new("rights not needed", Grade::Good, "none found");
    }
    Finding::new("rights not needed", Grade::Warning, powers.join(", ")).with_remedy(
        "give speedfit a login of its own with what `scripts/grants.sql` lists, and no more",
    )
}

async fn clock(connection: &mut Connection, connector: &Connector) -> Result<Finding, UnitError> {
    let before = connector.clock().now();
    let row = only_row(connection.query(include_str!("sql/server_clock.sql"), &[]).await?)?;
    let after = connector.clock().now();
    let there = cell::<Moment>(&row, "utc_now")?.timestamp("utc_now")?.unwrap_or(before);
    // The server read its clock somewhere between: only what lies outside is a difference.
    let skew = if there < before {
        there.duration_since(before)
    } else if there > after {
        there.duration_since(after)
    } else {
        SignedDuration::ZERO
    };
    Ok(judge_skew(skew))
}

/// `skew` is how far the server's clock is ahead.
fn judge_skew(skew: SignedDuration) -> Finding {
    let ahead = if skew.is_negative() { "behind" } else { "ahead of" };
    let text = format!("the server's is {:.1} s {ahead} this machine's", skew.abs().as_secs_f64());
    if skew.abs() > MAX_SKEW {
        Finding::new("clock", Grade::Warning, text)
            .with_remedy("set both clocks by a time server (NTP)")
    } else {
        Finding::new("clock", Grade::Good, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::sqlserver::options::Login;

    #[test]
    fn weak_wires_have_a_remedy() {
        let check = |encryption, trust, expected: &[(&str, Grade)]| {
            let login = Login::Token(String::new().into());
            let options =
                ServerOptions { encryption, trust, ..ServerOptions::new("h", "d", login) };
            let findings = wire(&options);
            let found: Vec<_> = findings.iter().map(|f| (f.check.as_str(), f.grade)).collect();
            assert_eq!(found, expected);
            assert!(findings.iter().all(|f| (f.grade > Grade::Note) == f.remedy.is_some()));
        };
        let ca = Trust::CaFile("ca.pem".into());
        check(Encryption::Strict, ca, &[("encryption", Grade::Good), ("certificate", Grade::Good)]);
        check(
            Encryption::Required,
            Trust::AnyCertificate,
            &[("encryption", Grade::Good), ("certificate", Grade::Warning)],
        );
        check(
            Encryption::LoginOnly,
            Trust::System,
            &[("encryption", Grade::Warning), ("certificate", Grade::Good)],
        );
        check(Encryption::Off, Trust::System, &[("encryption", Grade::Warning)]);
    }

    #[test]
    fn old_versions_are_told_but_not_azures() {
        let grade = |product, azure| judge_version(product, "Standard", azure, "X\nY").grade;
        assert_eq!(grade("16.0.1000.6", false), Grade::Good);
        assert_eq!(grade("14.0.1", false), Grade::Good);
        assert_eq!(grade("13.0.5026.0", false), Grade::Warning);
        assert_eq!(grade("12.0.2000.8", true), Grade::Good);
        assert_eq!(
            judge_version("16.0.1", "Developer", false, "Microsoft SQL Server 2022\n\tLinux").text,
            "Microsoft SQL Server 2022; version 16.0.1, Developer"
        );
    }

    #[test]
    fn powers_and_clocks_are_judged() {
        assert_eq!(judge_powers(&[]).grade, Grade::Good);
        assert_eq!(judge_powers(&["CONTROL SERVER"]).grade, Grade::Warning);
        let check = |seconds: i64, grade, text: &str| {
            let finding = judge_skew(SignedDuration::from_secs(seconds));
            assert_eq!((finding.grade, finding.text.as_str()), (grade, text));
        };
        check(0, Grade::Good, "the server's is 0.0 s ahead of this machine's");
        check(-60, Grade::Good, "the server's is 60.0 s behind this machine's");
        check(61, Grade::Warning, "the server's is 61.0 s ahead of this machine's");
    }
}
